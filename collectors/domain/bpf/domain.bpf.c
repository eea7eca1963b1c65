/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Copies to the ring what names other ends, and nothing else: DNS messages of
 * this machine's clients (port 53), the first message of a TLS connection
 * (ClientHello), and the first packets of a QUIC connection (Initial). With
 * each goes whose socket it is. Packets are looked at on their way, never
 * changed and never held up.
 *
 * Whose a socket is, is noted when it connects or sends, while its program
 * runs; the packet itself may pass in the name of any other.
 */
#define PARTS 48
#define PATH_BYTES 512
#include "path.h"

struct task_struct {
	struct task_struct *group_leader;
	struct mm_struct *mm;
	u64 start_boottime;
} RELOCATED;

/* The contexts of socket programs are part of the kernel's interface (linux/bpf.h). */
struct bpf_sock {
	u32 bound_dev_if, family, type, protocol, mark, priority;
	u32 src_ip4, src_ip6[4], src_port;
	u16 dst_port, pad;
	u32 dst_ip4, dst_ip6[4], state;
	s32 rx_queue_mapping;
};
struct bpf_sock_addr {
	u32 user_family, user_ip4, user_ip6[4], user_port, family, type, protocol;
	u32 msg_src_ip4, msg_src_ip6[4];
	struct bpf_sock *sk;
};
struct __sk_buff {
	u32 len, pkt_type, mark, queue_mapping, protocol, vlan_present, vlan_tci, vlan_proto, priority;
	u32 ingress_ifindex, ifindex, tc_index, cb[5], hash, tc_classid, data, data_end, napi_id;
	u32 family, remote_ip4, local_ip4, remote_ip6[4], local_ip6[4], remote_port, local_port, data_meta;
	u64 flow_keys, tstamp;
	u32 wire_len, gso_segs;
	struct bpf_sock *sk;
};

static long (*skb_load)(const void *skb, u32 off, void *to, u32 len) = (void *)26;
static u64 (*current_task)(void) = (void *)35;
static u64 (*socket_cookie)(void *ctx) = (void *)46;
static struct bpf_sock *(*fullsock)(struct bpf_sock *) = (void *)95;
static void *(*storage_get)(void *map, void *sk, void *value, u64 flags) = (void *)107;
static void *(*ring_reserve)(void *ring, u64 size, u64 flags) = (void *)131;
static void (*ring_submit)(void *data, u64 flags) = (void *)132;
static void (*ring_discard)(void *data, u64 flags) = (void *)133;

enum {
	IPV4 = 0x0800, /* ETH_P_IP, and so on */
	IPV6 = 0x86dd,
	TCP = 6,
	UDP = 17,
	STREAM = 1, /* SOCK_STREAM */

	DNS = 53,
	HTTPS = 443,
	DNS_TLS = 853,

	KIND_PROGRAM = 1,
	KIND_DNS_OUT = 2,
	KIND_DNS_IN = 3,
	KIND_DNS_TCP_OUT = 4,
	KIND_DNS_TCP_IN = 5,
	KIND_HELLO = 6,
	KIND_INITIAL = 7,

	CHUNK = 4096,	     /* most bytes of a packet in one record */
	CHUNKS = 4,	     /* most records of a packet of TCP */
	HELLO_BYTES = 16384, /* a longer ClientHello is cut */
	STAGE_NEW = 0,
	STAGE_HELLO = 1,
	STAGE_DONE = 2,
};

/* record.go reads these two. */
struct program {
	u32 kind, pid;
	u64 start; /* nanoseconds since boot */
	u32 uid, flags, path_bytes, pad;
	char path[PATH_BYTES + NAME_BYTES]; /* its parts, the last first, each with a zero after it */
};
struct head {
	u32 kind, pid;
	u64 start, at; /* nanoseconds since boot */
	u64 cookie;
	u32 uid, seq; /* of TCP */
	u16 local_port, remote_port, bytes, family; /* 4 or 6 */
	u8 remote[16];
};

/* Whose a socket is, and for TCP what of its first message was told. */
struct owner {
	u32 pid, uid;
	u64 start;
	u32 stage, first, want;
};
struct {
	NUMBER(type, MAP_SK_STORAGE);
	NUMBER(map_flags, NO_PREALLOC);
	TYPE(key, s32);
	TYPE(value, struct owner);
} owners SEC(".maps");

/* Programs that the agent was told of. A process that calls exec is another. */
struct told {
	u64 pid, start, file;
};
struct {
	NUMBER(type, MAP_LRU_HASH);
	NUMBER(max_entries, 1024);
	TYPE(key, struct told);
	TYPE(value, u8);
} told SEC(".maps");

INLINE u64 wake(void)
{
	return ring_query(&ring, AVAIL_DATA) >= RING_BYTES / 2 ? FORCE_WAKEUP : NO_WAKEUP;
}

INLINE u16 swap16(u16 v) { return __builtin_bswap16(v); }

/* tell_program tells of the program that runs, once. */
INLINE void tell_program(struct owner *o, struct task_struct *task)
{
	struct mm_struct *mm;
	struct file *file;
	u8 one = 1;

	READ(mm, task, mm);
	if (!mm)
		return;
	READ(file, mm, exe_file);
	if (!file)
		return;
	struct told key = {.pid = o->pid, .start = o->start, .file = (u64)file};
	if (map_lookup(&told, &key))
		return;
	struct program *p = ring_reserve(&ring, sizeof(*p), 0);
	if (!p) {
		__sync_fetch_and_add(&lost, 1);
		return;
	}
	p->kind = KIND_PROGRAM;
	p->pid = o->pid;
	p->start = o->start;
	p->uid = o->uid;
	p->flags = walk(p->path, &p->path_bytes, file);
	ring_submit(p, wake());
	map_update(&told, &key, &one, 0);
}

static __attribute__((noinline)) int own(struct bpf_sock_addr *ctx)
{
	struct bpf_sock *sk = ctx->sk;
	u16 port = swap16(ctx->user_port);
	bool stream = ctx->type == STREAM;

	if (!sk || (!stream && port != DNS && port != HTTPS && port != DNS_TLS))
		return 1;
	struct owner *o = storage_get(&owners, sk, 0, CREATE);
	if (!o)
		return 1;
	struct task_struct *task = (void *)current_task(), *leader;
	o->pid = current_pid_tgid() >> 32;
	o->uid = current_uid_gid();
	READ(leader, task, group_leader);
	READ(o->start, leader, start_boottime);
	o->stage = STAGE_NEW;
	tell_program(o, task);
	return 1;
}

SEC("cgroup/connect4")
int on_connect4(struct bpf_sock_addr *ctx) { return own(ctx); }

SEC("cgroup/connect6")
int on_connect6(struct bpf_sock_addr *ctx) { return own(ctx); }

SEC("cgroup/sendmsg4")
int on_sendmsg4(struct bpf_sock_addr *ctx) { return own(ctx); }

SEC("cgroup/sendmsg6")
int on_sendmsg6(struct bpf_sock_addr *ctx) { return own(ctx); }

/* What of a packet a record tells of. */
struct piece {
	struct head head;
	u32 off, len; /* of the payload in the packet */
	bool datagram; /* of which the first record is all */
};

/*
 * chunk copies up to CHUNK bytes at off into a record of a fitting size: the
 * ring can only reserve sizes that are known when the program is loaded.
 */
#define RESERVED(size)                                                         \
	do {                                                                   \
		struct {                                                       \
			struct head head;                                      \
			u8 data[size];                                         \
		} *r = ring_reserve(&ring, sizeof(*r), 0);                     \
		if (!r) {                                                      \
			__sync_fetch_and_add(&lost, 1);                        \
			return;                                                \
		}                                                              \
		r->head = p->head;                                             \
		r->head.seq = seq;                                             \
		r->head.bytes = n;                                             \
		n -= 1; /* 1 to size, in the words of old verifiers */         \
		asm volatile("" : "+r"(n));                                    \
		n &= size - 1;                                                 \
		if (skb_load(skb, off, r->data, n + 1))                        \
			ring_discard(r, NO_WAKEUP);                            \
		else                                                           \
			ring_submit(r, wake());                                \
	} while (0)

INLINE void chunk(struct __sk_buff *skb, struct piece *p, u32 off, u32 n, u32 seq)
{
	if (n == 0)
		return;
	if (n <= 128)
		RESERVED(128);
	else if (n <= 512)
		RESERVED(512);
	else if (n <= 2048)
		RESERVED(2048);
	else
		RESERVED(CHUNK);
}

/* chunks copies a payload into as many records as it needs, and as are allowed. */
static __attribute__((noinline)) int chunks(struct __sk_buff *skb, struct piece *p)
{
	if (!p)
		return 0;
	for (int i = 0; i < CHUNKS; i++) {
		u32 at = i * CHUNK;
		if (at >= p->len || (i && p->datagram))
			break;
		u32 n = p->len - at;
		if (n > CHUNK)
			n = CHUNK;
		chunk(skb, p, p->off + at, n, p->head.seq + at);
	}
	return 0;
}

/*
 * locate finds the transport header and the addresses, and returns its offset,
 * or 0. Packets of IPv6 with further headers are not looked at.
 */
INLINE u32 locate(struct __sk_buff *skb, struct head *h, u8 protocol, bool in)
{
	u8 b[2];

	if (skb->protocol == swap16(IPV4)) {
		if (skb_load(skb, 0, b, 1) || skb_load(skb, 9, b + 1, 1) || b[1] != protocol)
			return 0;
		h->family = 4;
		if (skb_load(skb, in ? 12 : 16, h->remote, 4))
			return 0;
		return (b[0] & 15) * 4;
	}
	if (skb->protocol == swap16(IPV6)) {
		if (skb_load(skb, 6, b, 1) || b[0] != protocol)
			return 0;
		h->family = 6;
		if (skb_load(skb, in ? 8 : 24, h->remote, 16))
			return 0;
		return 40;
	}
	return 0;
}

INLINE void udp(struct __sk_buff *skb, struct piece *p, u32 at, bool in)
{
	if (p->head.remote_port == DNS) {
		p->head.kind = in ? KIND_DNS_IN : KIND_DNS_OUT;
	} else if (!in && (p->head.remote_port == HTTPS || p->head.remote_port == DNS_TLS)) {
		u8 b[5];
		if (skb_load(skb, at + 8, b, 5))
			return;
		bool v1 = b[1] == 0 && b[2] == 0 && b[3] == 0 && b[4] == 1;
		bool v2 = b[1] == 0x6b && b[2] == 0x33 && b[3] == 0x43 && b[4] == 0xcf;
		/* Initial, and 0-RTT, behind which an Initial may follow (RFC 9000 17.2, RFC 9369 3.2) */
		u8 type = b[0] >> 4;
		if (!(v1 && (type == 0xc || type == 0xd)) && !(v2 && (type == 0xd || type == 0xe)))
			return;
		p->head.kind = KIND_INITIAL;
	} else {
		return;
	}
	p->off = at + 8;
	p->len = skb->len > p->off ? skb->len - p->off : 0;
	p->datagram = 1;
	chunks(skb, p);
}

/*
 * hello tells of the bytes of a TCP connection up to the end of its
 * ClientHello, if it begins with one.
 */
INLINE void hello(struct __sk_buff *skb, struct piece *p, struct owner *o)
{
	if (o->stage == STAGE_NEW) {
		u8 b[9] = {};
		if (skb_load(skb, p->off, b, p->len >= 9 ? 9 : 1) || b[0] != 22 || (p->len >= 9 && b[5] != 1)) {
			o->stage = STAGE_DONE;
			return;
		}
		o->stage = STAGE_HELLO;
		o->first = p->head.seq;
		o->want = HELLO_BYTES;
		if (p->len >= 9) {
			o->want = ((u32)b[6] << 16 | (u32)b[7] << 8 | b[8]) + 9;
			if (((u32)b[3] << 8 | b[4]) + 5 < o->want) /* in several records, each with a head */
				o->want += 5 * 16;
		}
		if (o->want > HELLO_BYTES)
			o->want = HELLO_BYTES;
	}
	u32 done = p->head.seq - o->first;
	if (done >= o->want) {
		o->stage = STAGE_DONE;
		return;
	}
	if (p->len >= o->want - done) {
		p->len = o->want - done;
		o->stage = STAGE_DONE;
	}
	p->head.kind = KIND_HELLO;
	chunks(skb, p);
}

INLINE void tcp(struct __sk_buff *skb, struct piece *p, struct owner *o, u32 at, bool in)
{
	u8 words;

	if (skb_load(skb, at + 12, &words, 1))
		return;
	p->off = at + (words >> 4) * 4;
	if (skb->len <= p->off)
		return;
	p->len = skb->len - p->off;
	if (skb_load(skb, at + 4, &p->head.seq, 4))
		return;
	p->head.seq = __builtin_bswap32(p->head.seq);
	if (p->head.remote_port == DNS) {
		p->head.kind = in ? KIND_DNS_TCP_IN : KIND_DNS_TCP_OUT;
		chunks(skb, p);
		return;
	}
	if (!in && o)
		hello(skb, p, o);
}

INLINE int look(struct __sk_buff *skb, bool in)
{
	struct bpf_sock *sk = skb->sk;

	if (!sk)
		return 1;
	sk = fullsock(sk);
	if (!sk)
		return 1;
	u32 protocol = sk->protocol;
	if (protocol != UDP && protocol != TCP)
		return 1;
	struct owner *o = storage_get(&owners, sk, 0, 0);
	u32 remote_port = swap16(sk->dst_port);
	/* Most packets end here: those of streams that have told, and all that come in. */
	if (protocol == TCP && remote_port != DNS && (in || !o || o->stage == STAGE_DONE))
		return 1;
	struct piece p = {};
	u32 at = locate(skb, &p.head, protocol, in);
	u16 ports[2];
	if (!at || skb_load(skb, at, ports, 4))
		return 1;
	p.head.local_port = swap16(ports[in]);
	p.head.remote_port = swap16(ports[!in]);
	p.head.at = boot_ns();
	p.head.cookie = socket_cookie(skb);
	if (o) {
		p.head.pid = o->pid;
		p.head.uid = o->uid;
		p.head.start = o->start;
	}
	if (protocol == UDP)
		udp(skb, &p, at, in);
	else
		tcp(skb, &p, o, at, in);
	return 1;
}

SEC("cgroup_skb/egress")
int on_egress(struct __sk_buff *skb) { return look(skb, 0); }

SEC("cgroup_skb/ingress")
int on_ingress(struct __sk_buff *skb) { return look(skb, 1); }
