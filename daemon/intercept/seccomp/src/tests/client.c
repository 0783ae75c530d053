/* A small generic netlink client: sends in the way that its argument names, and prints each reply. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>

#define FAMILY 0x4956

static size_t message(char *at, uint16_t type, uint16_t flags, uint32_t seq, uint8_t cmd, const char *name)
{
	struct nlmsghdr *nl = (void *)at;
	struct genlmsghdr *genl = (void *)(at + 16);
	size_t length = 20;

	memset(at, 0, 64);
	if (name) {
		struct nlattr *attr = (void *)(at + 20);
		attr->nla_len = 4 + strlen(name) + 1;
		attr->nla_type = CTRL_ATTR_FAMILY_NAME;
		strcpy(at + 24, name);
		length += attr->nla_len;
	}
	nl->nlmsg_len = length;
	nl->nlmsg_type = type;
	nl->nlmsg_flags = NLM_F_REQUEST | flags;
	nl->nlmsg_seq = seq;
	genl->cmd = cmd;
	genl->version = 1;
	return (length + 3) & ~3u;
}

static size_t get_family(char *at, uint32_t seq, const char *name)
{
	return message(at, GENL_ID_CTRL, NLM_F_ACK, seq, CTRL_CMD_GETFAMILY, name);
}

/* Prints what comes, until `acks` messages that end something have come. */
static void hear(int fd, int acks)
{
	static _Thread_local char buffer[65536];

	while (acks > 0) {
		ssize_t got = recv(fd, buffer, sizeof buffer, 0);
		if (got < 0) {
			printf("recv: %s\n", strerror(errno));
			return;
		}
		for (struct nlmsghdr *nl = (void *)buffer; NLMSG_OK(nl, got); nl = NLMSG_NEXT(nl, got)) {
			if (nl->nlmsg_type == NLMSG_ERROR || nl->nlmsg_type == NLMSG_DONE) {
				int error = *(int *)NLMSG_DATA(nl);
				acks--;
				printf("seq=%u end=%d\n", nl->nlmsg_seq, -error);
			} else {
				printf("seq=%u type=%#x\n", nl->nlmsg_seq, nl->nlmsg_type);
			}
		}
	}
}

static int fresh(void)
{
	struct timeval patience = { .tv_sec = 10 };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	return fd;
}

static void *many(void *count)
{
	char buffer[64];
	int fd = fresh();
	long good = 0;

	for (int i = 1; i <= 100; i++) {
		size_t length = get_family(buffer, i, "IPVS");
		char reply[512];
		struct nlmsghdr *nl = (void *)reply;
		if (send(fd, buffer, length, 0) != (ssize_t)length)
			break;
		do {
			if (recv(fd, reply, sizeof reply, 0) < 16 || nl->nlmsg_seq != (unsigned)i)
				return NULL;
		} while (nl->nlmsg_type != NLMSG_ERROR);
		good += *(int *)NLMSG_DATA(nl) == 0;
	}
	close(fd);
	*(long *)count = good;
	return NULL;
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	char a[256], b[64], c[64];
	int fd = fresh();

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!strcmp(mode, "sendto")) {
		printf("sent %zd\n", sendto(fd, a, get_family(a, 1, "IPVS"), 0, (void *)&kernel, sizeof kernel));
		hear(fd, 1);
	} else if (!strcmp(mode, "connected")) {
		connect(fd, (void *)&kernel, sizeof kernel);
		printf("sent %zd\n", send(fd, a, get_family(a, 1, "IPVS"), 0));
		hear(fd, 1);
	} else if (!strcmp(mode, "sendmsg")) {
		size_t length = get_family(a, 1, "IPVS");
		struct iovec pieces[] = { { a, 5 }, { a + 5, 0 }, { a + 5, length - 5 } };
		struct msghdr header = { &kernel, sizeof kernel, pieces, 3, NULL, 0, 0 };
		printf("sent %zd\n", sendmsg(fd, &header, 0));
		hear(fd, 1);
	} else if (!strcmp(mode, "sendmmsg")) {
		struct iovec pieces[] = { { a, get_family(a, 1, "nlctrl") }, { b, get_family(b, 2, "IPVS") },
			{ c, message(c, FAMILY, NLM_F_ACK, 3, 15, NULL) } };
		struct mmsghdr all[3];
		memset(all, 0, sizeof all);
		for (int i = 0; i < 3; i++) {
			all[i].msg_hdr.msg_iov = &pieces[i];
			all[i].msg_hdr.msg_iovlen = 1;
		}
		int sent = sendmmsg(fd, all, 3, 0);
		printf("sent %d: %u %u %u\n", sent, all[0].msg_len, all[1].msg_len, all[2].msg_len);
		hear(fd, 3);
	} else if (!strcmp(mode, "mixed")) {
		size_t length = get_family(a, 1, "nlctrl");
		length += get_family(a + length, 2, "IPVS");
		length += get_family(a + length, 3, "nlctrl");
		printf("sent %zd\n", send(fd, a, length, 0));
		hear(fd, 3);
	} else if (!strcmp(mode, "info")) {
		printf("sent %zd\n", send(fd, a, message(a, FAMILY, NLM_F_ACK, 1, 15, NULL), 0));
		hear(fd, 1);
	} else if (!strcmp(mode, "dump")) {
		printf("sent %zd\n", send(fd, a, message(a, FAMILY, NLM_F_DUMP, 9, 4, NULL), 0));
		hear(fd, 1);
	} else if (!strcmp(mode, "bad")) {
		/* An unreadable message, one that is too long, and an address that is none. */
		static char big[4 << 20];
		size_t length = get_family(a, 1, "IPVS");
		printf("%zd ", send(fd, (void *)16, 100, 0)); printf("%d\n", errno);
		get_family(big, 1, "IPVS");
		printf("%zd ", send(fd, big, sizeof big, 0)); printf("%d\n", errno);
		printf("%zd ", sendto(fd, a, length, 0, (void *)&kernel, 3)); printf("%d\n", errno);
		printf("%zd ", send(-1, a, length, 0)); printf("%d\n", errno);
		printf("%zd ", send(fd, a, length, MSG_OOB)); printf("%d\n", errno);
	} else if (!strcmp(mode, "threads")) {
		pthread_t threads[8];
		long counts[8] = { 0 }, sum = 0;
		for (int i = 0; i < 8; i++)
			pthread_create(&threads[i], NULL, many, &counts[i]);
		for (int i = 0; i < 8; i++) {
			pthread_join(threads[i], NULL);
			sum += counts[i];
		}
		printf("%ld answered\n", sum);
	} else if (!strcmp(mode, "leaderless")) {
		/* The first thread ends; another one sends. */
		extern void *late(void *);
		pthread_t thread;
		pthread_create(&thread, NULL, late, NULL);
		pthread_exit(NULL);
	} else {
		return 2;
	}
	return 0;
}

void *late(void *unused)
{
	long good = 0;

	usleep(100000);
	many(&good);
	printf("%ld answered\n", good);
	exit(0);
}
