//! Each checker of keepalived brings its real servers out and in, and connections follow.

use compat_tests::{
    DatagramServer, Folder, Host, Scene, Server, Talk, TlsServer,
    application::Socket,
    dns,
    keepalived::Parts,
    scene::{Neighbour, play},
};

/// A service with a server on each host.
struct Service {
    rule: &'static str,
    address: &'static str,
    port: u16,
    /// The names of the servers that four connections reach.
    reach: fn(&mut Scene, &str) -> Vec<String>,
}

const TCP: Service = Service {
    rule: "-t 10.9.0.1:80",
    address: "10.9.0.1:80",
    port: 80,
    reach: |scene, address| scene.reached(address, 4),
};

const UDP: Service = Service {
    rule: "-u 10.9.0.1:53",
    address: "10.9.0.1:53",
    port: 53,
    reach: |scene, address| {
        let mut answers: Vec<_> = (0..4).map(|_| ask(scene, address)).collect();
        answers.sort_unstable();
        answers
    },
};

/// The name of the server that answers a datagram of a new socket.
fn ask(scene: &mut Scene, address: &str) -> String {
    let application = &mut scene.application;
    application.udp("once", Socket::Plain, address);
    let answer = application.ask("once", address).expect("an answer");
    application.close("once");
    answer.split(' ').next().unwrap_or_default().to_owned()
}

impl Service {
    /// The rules with servers of these weights.
    fn with(&self, weights: &[u32]) -> String {
        let Self { rule, port, .. } = self;
        let mut rules = format!("-A {rule} -s rr\n");
        for (host, weight) in weights.iter().enumerate() {
            let host = host + 1;
            rules += &format!("-a {rule} -r 10.8.{host}.2:{port} -m -w {weight}\n");
        }
        rules
    }

    /// Both servers are up, then the second one fails, then it is mended.
    #[track_caller]
    fn out_and_in<F, M>(
        &self,
        scene: &mut Scene,
        fail: impl FnOnce(&Scene) -> F,
        mend: impl FnOnce(&Scene, F) -> M,
    ) -> M {
        scene.shows(&self.with(&[1, 1]));
        assert_eq!((self.reach)(scene, self.address), ["A", "A", "B", "B"]);
        let failed = fail(scene);
        let took = scene.shows(&self.with(&[1]));
        println!("{:?}: out after {took:?}", scene.balancer);
        assert_eq!((self.reach)(scene, self.address), ["A"; 4]);
        let mended = mend(scene, failed);
        let took = scene.shows(&self.with(&[1, 1]));
        println!("{:?}: in after {took:?}", scene.balancer);
        assert_eq!((self.reach)(scene, self.address), ["A", "A", "B", "B"]);
        mended
    }
}

/// The servers that connections go to: A on the first host, B on the second.
fn servers(scene: &Scene) -> [Server; 2] {
    [scene.hosts[0].serve("A", 80), scene.hosts[1].serve("B", 80)]
}

/// The same of UDP.
fn datagram_servers(scene: &Scene) -> [DatagramServer; 2] {
    let [first, second] = &scene.hosts;
    [
        first.serve_datagrams("A", 53),
        second.serve_datagrams("B", 53),
    ]
}

#[test]
fn a_tcp_check_detects_closed_ports_and_unreachable_servers() {
    play(|scene| {
        let [_a, b] = servers(scene);
        scene.start("tcp_check");
        let fail = |_: &Scene| drop(b);
        let _b = TCP.out_and_in(scene, fail, |scene, ()| scene.hosts[1].serve("B", 80));
        TCP.out_and_in(
            scene,
            |scene| scene.hosts[1].cut(),
            |scene, ()| scene.hosts[1].mend(),
        );
    });
}

/// Checks of pages, where the second server gives another one.
#[track_caller]
fn pages(configuration: &str, bad: (Talk, &str)) {
    play(|scene| {
        let page = |host: &Host| host.serve_by(Talk::Http, "page", 8080);
        let _servers = servers(scene);
        let [_first, second] = scene.hosts.each_ref().map(page);
        scene.start(configuration);
        TCP.out_and_in(
            scene,
            |scene| {
                drop(second);
                scene.hosts[1].serve_by(bad.0, bad.1, 8080)
            },
            |scene, bad| {
                drop(bad);
                page(&scene.hosts[1])
            },
        );
    });
}

#[test]
fn an_http_check_looks_at_the_status() {
    pages("http_get_status", (Talk::HttpUnavailable, "page"));
}

#[test]
fn an_http_check_looks_at_the_digest() {
    pages("http_get_digest", (Talk::Http, "another"));
}

#[test]
fn an_smtp_check_detects_a_server_that_takes_no_mail() {
    play(|scene| {
        let mail = |host: &Host| host.serve_by(Talk::Smtp, "mail", 8025);
        let _servers = servers(scene);
        let [_first, second] = scene.hosts.each_ref().map(mail);
        scene.start("smtp_check");
        TCP.out_and_in(
            scene,
            |scene| {
                drop(second);
                scene.hosts[1].serve_by(Talk::SmtpUnavailable, "mail", 8025)
            },
            |scene, unavailable| {
                drop(unavailable);
                mail(&scene.hosts[1])
            },
        );
    });
}

#[test]
fn an_ssl_check_detects_a_server_that_is_too_slow() {
    play(|scene| {
        let _servers = servers(scene);
        let page = |host: &Host, folder: &Folder| TlsServer::start(host, 8443, folder);
        let [_first, second] = scene
            .hosts
            .each_ref()
            .map(|host| page(host, scene.folder()));
        scene.start("ssl_get");
        TCP.out_and_in(scene, |_| second.freeze(), |_, ()| second.thaw());
    });
}

#[test]
fn a_script_sets_the_weights_of_servers() {
    play(|scene| {
        let _servers = servers(scene);
        let exit = |scene: &Scene, first, second| {
            scene.folder().write("first", first);
            scene.folder().write("second", second);
        };
        exit(scene, "5\n", "3\n");
        scene.start("misc_check");
        scene.shows(&TCP.with(&[3, 1]));
        exit(scene, "5\n", "12\n");
        scene.shows(&TCP.with(&[3, 10]));
        assert_eq!(scene.reached(TCP.address, 4), ["A", "A", "B", "B"]);
        exit(scene, "5\n", "1\n");
        scene.shows(&TCP.with(&[3]));
        assert_eq!(scene.reached(TCP.address, 2), ["A"; 2]);
        exit(scene, "2\n", "2\n");
        scene.shows(&TCP.with(&[0, 0]));
        exit(scene, "0\n", "0\n");
        scene.shows(&TCP.with(&[1, 1]));
    });
}

#[test]
fn a_dns_check_examines_the_answer() {
    play(|scene| {
        let _servers = datagram_servers(scene);
        let resolver = |host: &Host, answer: fn(&[u8]) -> Vec<u8>| {
            DatagramServer::answering(host.namespace(), host.at(5353), answer)
        };
        let [_first, second] = scene
            .hosts
            .each_ref()
            .map(|host| resolver(host, dns::address));
        scene.start("dns_check");
        UDP.out_and_in(
            scene,
            |scene| {
                drop(second);
                resolver(&scene.hosts[1], dns::failure)
            },
            |scene, failing| {
                drop(failing);
                resolver(&scene.hosts[1], dns::address)
            },
        );
    });
}

#[test]
fn a_udp_check_examines_the_answer_and_detects_closed_ports() {
    play(|scene| {
        let _servers = datagram_servers(scene);
        let [_first, second] = scene
            .hosts
            .each_ref()
            .map(|host| host.serve_datagrams("A", 8053));
        scene.start("udp_check");
        let fail = |_: &Scene| drop(second);
        let right = |scene: &Scene, ()| scene.hosts[1].serve_datagrams("A", 8053);
        let second = UDP.out_and_in(scene, fail, right);
        UDP.out_and_in(
            scene,
            |scene| {
                drop(second);
                scene.hosts[1].serve_datagrams("B", 8053)
            },
            |scene, wrong| {
                drop(wrong);
                scene.hosts[1].serve_datagrams("A", 8053)
            },
        );
    });
}

#[test]
fn a_ping_check_detects_an_unreachable_machine() {
    play(|scene| {
        let _servers = servers(scene);
        scene.start("ping_check");
        TCP.out_and_in(
            scene,
            |scene| scene.hosts[1].cut(),
            |scene, ()| scene.hosts[1].mend(),
        );
    });
}

#[test]
fn file_checks_set_weights_and_take_servers_out() {
    play(|scene| {
        let _servers = servers(scene);
        let say = |scene: &Scene, file, text| drop(scene.folder().write(file, text));
        say(scene, "weight", "4\n");
        scene.start("file_check");
        scene.shows(&TCP.with(&[5, 1]));
        assert_eq!(scene.reached(TCP.address, 4), ["A", "A", "B", "B"]);
        say(scene, "weight", "-1\n");
        scene.shows(&TCP.with(&[0, 1]));
        assert_eq!(scene.reached(TCP.address, 2), ["B"; 2]);
        say(scene, "weight", "0\n");
        say(scene, "down", "1\n");
        scene.shows(&TCP.with(&[1]));
        assert_eq!(scene.reached(TCP.address, 2), ["A"; 2]);
        say(scene, "down", "0\n");
        scene.shows(&TCP.with(&[1, 1]));
    });
}

#[test]
fn a_bfd_check_detects_an_unreachable_server() {
    play(|scene| {
        let _servers = servers(scene);
        let _neighbour = Neighbour::start(&scene.hosts[1], "bfd_neighbour");
        scene.start_parts("bfd_check", Parts::All);
        // Until both have heard each other, the server is taken to be up, and its absence would not
        // be noticed.
        scene.logs("(second) Entering Up state");
        TCP.out_and_in(
            scene,
            |scene| scene.hosts[1].cut(),
            |scene, ()| scene.hosts[1].mend(),
        );
    });
}
