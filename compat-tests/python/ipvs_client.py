"""An IPVS client on pyroute2, which shares no code with sockvs. It is talked with in ipvsadm's words.

A request is a line of words. The answer is any number of lines, each after a tab, and then `ok`, or
`errno` and a number. With -R, rules are separated by a `;`. Only what tests use is understood.
"""
import errno
import socket
import sys

from pyroute2.netlink import NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST
from pyroute2.netlink.exceptions import NetlinkError
from pyroute2.netlink.generic import GenericNetlinkSocket, ipvs

PERSISTENT, ONE_PACKET = 1, 4
METHODS = {"-m": 0, "-i": 2, "-g": 3}
TIMEOUTS = [f"IPVS_CMD_ATTR_TIMEOUT_{name}" for name in ("TCP", "TCP_FIN", "UDP")]
COUNTERS = [f"IPVS_STATS_ATTR_{name}" for name in ("CONNS", "INPKTS", "OUTPKTS", "INBYTES", "OUTBYTES")]


class NotUnderstood(Exception):
    """A request that is none of ours."""


class Message(ipvs.ipvsmsg):
    """pyroute2's message, with the time-outs that it leaves out."""

    nla_map = (
        ("IPVS_CMD_ATTR_UNSPEC", "none"),
        ("IPVS_CMD_ATTR_SERVICE", "service"),
        ("IPVS_CMD_ATTR_DEST", "dest"),
        ("IPVS_CMD_ATTR_DAEMON", "hex"),
        *((name, "uint32") for name in TIMEOUTS),
    )


def parse(words):
    """The service and the server that words describe, as attributes by their short names."""
    service, server = {"SCHED_NAME": "wlc", "TIMEOUT": 0}, {}
    flags, words, mask = 0, list(words), None
    method, weight, upper, lower = "-g", 1, 0, 0
    while words:
        word = words.pop(0)
        if word in ("-t", "-u"):
            address, port = endpoint(words.pop(0))
            service |= {"AF": family(address), "ADDR": address, "PORT": port}
            service["PROTOCOL"] = socket.IPPROTO_TCP if word == "-t" else socket.IPPROTO_UDP
        elif word == "-f":
            service |= {"AF": socket.AF_INET, "FWMARK": int(words.pop(0))}
        elif word == "-6":
            service["AF"] = socket.AF_INET6
        elif word == "-s":
            service["SCHED_NAME"] = words.pop(0)
        elif word == "-p":
            service["TIMEOUT"] = int(words.pop(0))
            flags |= PERSISTENT
        elif word == "-M":
            mask = words.pop(0)
        elif word == "-o":
            flags |= ONE_PACKET
        elif word == "--pe":
            service["PE_NAME"] = words.pop(0)
        elif word == "-r":
            address, port = endpoint(words.pop(0))
            server = {"ADDR_FAMILY": family(address), "ADDR": address, "PORT": port}
        elif word in METHODS:
            method = word
        elif word == "-w":
            weight = int(words.pop(0))
        elif word == "-x":
            upper = int(words.pop(0))
        elif word == "-y":
            lower = int(words.pop(0))
        else:
            raise NotUnderstood(word)
    service["FLAGS"] = {"flags": flags, "mask": 0xFFFFFFFF}
    service["NETMASK"] = netmask(service["AF"], mask)
    if server:
        server |= {"FWD_METHOD": METHODS[method], "WEIGHT": weight, "U_THRESH": upper, "L_THRESH": lower}
    return service, server


def netmask(af, text):
    """The mask in the form that pyroute2 wants: the bytes as they travel, with dots between."""
    if af == socket.AF_INET6:
        return socket.inet_ntoa(int(text or 128).to_bytes(4, sys.byteorder))
    return text or "255.255.255.255"


def endpoint(text):
    address, _, port = text.rpartition(":")
    return address.strip("[]"), int(port)


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def attributes(prefix, values):
    return {"attrs": [[f"{prefix}_{name}", value] for name, value in values.items()]}


def key_of(service):
    return {name: service[name] for name in ("AF", "PROTOCOL", "ADDR", "PORT", "FWMARK") if name in service}


def short_names(nest, prefix):
    return {name.removeprefix(prefix + "_"): value for name, value in nest["attrs"]}


class Client:
    def __init__(self):
        self.socket = GenericNetlinkSocket()
        self.socket.bind(ipvs.GENL_NAME, Message)

    def request(self, command, flags=NLM_F_ACK, **nests):
        message = Message()
        message["cmd"] = getattr(ipvs, f"IPVS_CMD_{command}")
        message["version"] = ipvs.GENL_VERSION
        message["attrs"] = [[f"IPVS_CMD_ATTR_{name}", value] for name, value in nests.items()]
        return list(self.socket.nlm_request(message, self.socket.prid, NLM_F_REQUEST | flags))

    def service(self, command, words, whole):
        service, _ = parse(words)
        service = service if whole else key_of(service)
        self.request(command, SERVICE=attributes("IPVS_SVC_ATTR", service))

    def server(self, command, words):
        service, server = parse(words)
        self.request(
            command,
            SERVICE=attributes("IPVS_SVC_ATTR", key_of(service)),
            DEST=attributes("IPVS_DEST_ATTR", server),
        )

    def table(self):
        """Each service, and each of its servers with it."""
        for reply in self.request("GET_SERVICE", NLM_F_DUMP):
            service = short_names(reply.get_attr("IPVS_CMD_ATTR_SERVICE"), "IPVS_SVC_ATTR")
            yield service, None
            key = attributes("IPVS_SVC_ATTR", key_of(service))
            for reply in self.request("GET_DEST", NLM_F_DUMP, SERVICE=key):
                yield service, short_names(reply.get_attr("IPVS_CMD_ATTR_DEST"), "IPVS_DEST_ATTR")

    def answer(self, verb, words):
        """The lines of an answer."""
        match verb, words:
            case "-A", _:
                self.service("NEW_SERVICE", words, whole=True)
            case "-E", _:
                self.service("SET_SERVICE", words, whole=True)
            case "-D", _:
                self.service("DEL_SERVICE", words, whole=False)
            case "-a", _:
                self.server("NEW_DEST", words)
            case "-e", _:
                self.server("SET_DEST", words)
            case "-d", _:
                self.server("DEL_DEST", words)
            case "-Z", []:
                self.request("ZERO")
            case "-Z", _:
                self.service("ZERO", words, whole=False)
            case "-C", []:
                self.request("FLUSH")
            case "--set", [tcp, fin, udp]:
                seconds = {"TIMEOUT_TCP": int(tcp), "TIMEOUT_TCP_FIN": int(fin), "TIMEOUT_UDP": int(udp)}
                self.request("SET_CONFIG", **seconds)
            case "-R", _:
                for rule in " ".join(words).split(" ; "):
                    self.answer(rule.split()[0], rule.split()[1:])
            case "-S", ["-n"]:
                return [server_rule(*entry) if entry[1] else service_rule(entry[0]) for entry in self.table()]
            case "-L", ["-n", "--stats"]:
                return [counters(*entry) for entry in self.table()]
            case "-L", ["--timeout"]:
                [reply] = self.request("GET_CONFIG", 0)
                return [" ".join(["Timeout (tcp tcpfin udp):", *(str(reply.get_attr(name)) for name in TIMEOUTS)])]
            case _:
                raise NotUnderstood(verb)
        return []


def key_words(service):
    if "FWMARK" in service:
        return f"-f {service['FWMARK']}" + (" -6" if service["AF"] == socket.AF_INET6 else "")
    protocol = "-t" if service["PROTOCOL"] == socket.IPPROTO_TCP else "-u"
    return f"{protocol} {at(service)}"


def at(values):
    address = values["ADDR"]
    return f"[{address}]:{values['PORT']}" if ":" in address else f"{address}:{values['PORT']}"


def service_rule(service):
    words = f"-A {key_words(service)} -s {service['SCHED_NAME']}"
    if service["FLAGS"]["flags"] & PERSISTENT:
        words += f" -p {service['TIMEOUT']}"
        if service["NETMASK"] != netmask(service["AF"], None):
            mask = service["NETMASK"]
            if service["AF"] == socket.AF_INET6:
                mask = int.from_bytes(socket.inet_aton(mask), sys.byteorder)
            words += f" -M {mask}"
    if "PE_NAME" in service:
        words += f" --pe {service['PE_NAME']}"
    if service["FLAGS"]["flags"] & ONE_PACKET:
        words += " -o"
    return words


def server_rule(service, server):
    method = next(name for name, number in METHODS.items() if number == server["FWD_METHOD"])
    words = f"-a {key_words(service)} -r {at(server)} {method} -w {server['WEIGHT']}"
    return words + (" --tun-type ipip" if method == "-i" else "")


def counters(service, server):
    if server:
        name = f"-> {at(server)}"
    elif "FWMARK" in service:
        name = f"FWM {service['FWMARK']}" + (" IPv6" if service["AF"] == socket.AF_INET6 else "")
    else:
        name = f"{'TCP' if service['PROTOCOL'] == socket.IPPROTO_TCP else 'UDP'} {at(service)}"
    stats = dict((server or service)["STATS64"]["attrs"])
    return " ".join([name, *(str(stats[counter]) for counter in COUNTERS)])


def main():
    client = None
    for line in sys.stdin:
        try:
            # A client may be started before there is a daemon.
            client = client or Client()
            verb, *words = line.split()
            answer = [f"\t{line}" for line in client.answer(verb, words)] + ["ok"]
        except NetlinkError as error:
            answer = [f"errno {error.code}"]
        except NotUnderstood as error:
            print(f"not understood: {error}", file=sys.stderr)
            answer = [f"errno {errno.ENOSYS}"]
        print("\n".join(answer), flush=True)


main()
