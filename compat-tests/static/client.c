/*
 * A client in plain C, to be linked statically: no dynamic loader, no library that could be preloaded.
 *
 *   client connect ADDRESS PORT    the line that the server greets with, and getpeername's address
 *   client info                    the version that the IPVS family states (GET_INFO)
 *   client count MILLISECONDS      the number of services (GET_SERVICE as a dump), read slowly:
 *                                  with a pause before each read
 *
 * Exit status 1 and the errno on standard output when a call or the family says no.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/genetlink.h>
#include <linux/ip_vs.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

struct request {
	struct nlmsghdr netlink;
	struct genlmsghdr generic;
	char attributes[64];
};

static char buffer[65536];

static void fail(int error)
{
	printf("errno %d\n", error);
	exit(1);
}

static int check(int result)
{
	if (result < 0)
		fail(errno);
	return result;
}

static void connect_to(const char *address, const char *port)
{
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(atoi(port)) };
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(atoi(port)) };
	int is_v6 = inet_pton(AF_INET6, address, &v6.sin6_addr) == 1;
	char greeting[256] = "", peer[INET6_ADDRSTRLEN];
	int fd;

	if (!is_v6 && inet_pton(AF_INET, address, &v4.sin_addr) != 1)
		fail(EINVAL);
	fd = check(socket(is_v6 ? AF_INET6 : AF_INET, SOCK_STREAM, 0));
	if (is_v6) {
		socklen_t length = sizeof(v6);

		check(connect(fd, (struct sockaddr *)&v6, length));
		check(getpeername(fd, (struct sockaddr *)&v6, &length));
		inet_ntop(AF_INET6, &v6.sin6_addr, peer, sizeof(peer));
	} else {
		socklen_t length = sizeof(v4);

		check(connect(fd, (struct sockaddr *)&v4, length));
		check(getpeername(fd, (struct sockaddr *)&v4, &length));
		inet_ntop(AF_INET, &v4.sin_addr, peer, sizeof(peer));
	}
	check(read(fd, greeting, sizeof(greeting) - 1));
	greeting[strcspn(greeting, "\n")] = 0;
	printf("%s %s %d\n", greeting, peer, ntohs(is_v6 ? v6.sin6_port : v4.sin_port));
}

static void attribute(struct request *request, int type, const char *text)
{
	struct nlattr *attr = (void *)((char *)request + NLMSG_ALIGN(request->netlink.nlmsg_len));

	attr->nla_type = type;
	attr->nla_len = NLA_HDRLEN + strlen(text) + 1;
	strcpy((char *)attr + NLA_HDRLEN, text);
	request->netlink.nlmsg_len = NLMSG_ALIGN(request->netlink.nlmsg_len) + attr->nla_len;
}

static struct request request(int type, int flags, int command)
{
	struct request request = {
		.netlink = { .nlmsg_len = NLMSG_LENGTH(GENL_HDRLEN), .nlmsg_type = type,
			     .nlmsg_flags = NLM_F_REQUEST | flags, .nlmsg_seq = command },
		.generic = { .cmd = command, .version = 1 },
	};

	return request;
}

/* The payload of an attribute of a generic netlink message. */
static const void *find(const struct nlmsghdr *message, int type)
{
	const char *at = (const char *)message + NLMSG_LENGTH(GENL_HDRLEN);
	const char *end = (const char *)message + message->nlmsg_len;

	while (at + NLA_HDRLEN <= end) {
		const struct nlattr *attr = (const void *)at;

		if ((attr->nla_type & NLA_TYPE_MASK) == type)
			return at + NLA_HDRLEN;
		at += NLA_ALIGN(attr->nla_len);
	}
	fail(ENOENT);
	return NULL;
}

static int receive(int fd)
{
	int length = check(recv(fd, buffer, sizeof(buffer), 0));
	struct nlmsghdr *first = (void *)buffer;

	if (first->nlmsg_type == NLMSG_ERROR) {
		struct nlmsgerr *error = NLMSG_DATA(first);

		if (error->error)
			fail(-error->error);
	}
	return length;
}

/* Sends with sendto(2), as the daemon's interceptor has to know all the ways to send. */
static int family(int fd)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	struct request ask = request(GENL_ID_CTRL, 0, CTRL_CMD_GETFAMILY);

	attribute(&ask, CTRL_ATTR_FAMILY_NAME, "IPVS");
	check(sendto(fd, &ask, ask.netlink.nlmsg_len, 0, (struct sockaddr *)&kernel, sizeof(kernel)));
	receive(fd);
	return *(const unsigned short *)find((void *)buffer, CTRL_ATTR_FAMILY_ID);
}

/* Sends with sendmsg(2), in two pieces. */
static void ask(int fd, int flags, int command)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	struct request ask = request(family(fd), flags, command);
	struct iovec pieces[2] = {
		{ &ask.netlink, sizeof(ask.netlink) },
		{ &ask.generic, ask.netlink.nlmsg_len - sizeof(ask.netlink) },
	};
	struct msghdr message = { .msg_name = &kernel, .msg_namelen = sizeof(kernel),
				  .msg_iov = pieces, .msg_iovlen = 2 };

	check(sendmsg(fd, &message, 0));
}

static void count(int fd, int milliseconds)
{
	int services = 0, datagrams = 0, small = 4096;

	check(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)));
	ask(fd, NLM_F_DUMP, IPVS_CMD_GET_SERVICE);
	for (;;) {
		struct nlmsghdr *message = (void *)buffer;
		int length;

		usleep(milliseconds * 1000);
		length = receive(fd);
		datagrams++;
		for (; NLMSG_OK(message, length); message = NLMSG_NEXT(message, length)) {
			if (message->nlmsg_type == NLMSG_DONE) {
				printf("%d services in %d datagrams\n", services, datagrams);
				return;
			}
			services++;
		}
	}
}

int main(int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : "";
	int fd;

	if (argc == 4 && !strcmp(verb, "connect")) {
		connect_to(argv[2], argv[3]);
		return 0;
	}
	fd = check(socket(AF_NETLINK, SOCK_RAW, NETLINK_GENERIC));
	if (argc == 2 && !strcmp(verb, "info")) {
		unsigned int version;

		ask(fd, 0, IPVS_CMD_GET_INFO);
		receive(fd);
		version = *(const unsigned int *)find((void *)buffer, IPVS_INFO_ATTR_VERSION);
		printf("%d.%d.%d\n", version >> 16, version >> 8 & 255, version & 255);
		return 0;
	}
	if (argc == 3 && !strcmp(verb, "count")) {
		count(fd, atoi(argv[2]));
		return 0;
	}
	fprintf(stderr, "usage: client connect ADDRESS PORT | info | count MILLISECONDS\n");
	return 2;
}
