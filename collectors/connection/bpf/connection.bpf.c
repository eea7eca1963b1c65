/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Tells of connections that end: between whom, whose they were, how they went.
 * Counters of the kernel are read, and of UDP packets the header; contents never
 * are.
 *
 * TCP tells of itself at each change of a socket's state. The one that calls, or
 * listens, does so in its own process, and an accepted socket inherits what its
 * listener has. UDP has no states: its packets are counted where they pass the
 * socket's cgroup, and told when the socket is closed.
 */
#define RING_BYTES (1 << 20) /* some 6,000 connections that end between two reads */
#include "program.h"

struct in6_addr {
	u8 bytes[16];
};
struct ns_common {
	unsigned int inum;
} RELOCATED;
struct net {
	struct ns_common ns;
} RELOCATED;
typedef struct {
	struct net *net;
} RELOCATED possible_net_t;
struct sock_common {
	u32 skc_daddr, skc_rcv_saddr;
	u16 skc_dport, skc_num;
	unsigned short skc_family;
	volatile unsigned char skc_state;
	unsigned long skc_flags;
	possible_net_t skc_net;
	struct in6_addr skc_v6_daddr, skc_v6_rcv_saddr;
} RELOCATED;
struct sock {
	struct sock_common __sk_common;
	u16 sk_protocol;
	int sk_err, sk_err_soft;
} RELOCATED;
struct inet_sock {
	u16 inet_sport;
} RELOCATED;
struct minmax_sample {
	u32 v;
} RELOCATED;
struct minmax {
	struct minmax_sample s[3];
} RELOCATED;
struct tcp_sock {
	u64 bytes_received, bytes_sent, bytes_retrans;
	u32 srtt_us, total_retrans, segs_in, segs_out;
	struct minmax rtt_min;
} RELOCATED;
struct mptcp_sock {
	struct sock *first;
} RELOCATED;
struct socket {
	struct sock *sk;
} RELOCATED;

/* What linux/bpf.h shows of a socket and of a packet. */
struct bpf_sock {
	u32 bound_dev_if, family, type, protocol, mark, priority, src_ip4, src_ip6[4], src_port;
	u16 dst_port, pad;
	u32 dst_ip4, dst_ip6[4], state;
	s32 rx_queue_mapping;
};
struct bpf_sock_addr {
	u32 user_family, user_ip4, user_ip6[4], user_port, family, type, protocol, msg_src_ip4, msg_src_ip6[4];
	struct bpf_sock *sk;
};
struct __sk_buff {
	u32 len, pkt_type, mark, queue_mapping, protocol, vlan_present, vlan_tci, vlan_proto, priority, ingress_ifindex, ifindex,
		tc_index, cb[5], hash, tc_classid, data, data_end, napi_id, family, remote_ip4, local_ip4, remote_ip6[4],
		local_ip6[4], remote_port, local_port, data_meta;
	u64 flow_keys, tstamp;
	u32 wire_len, gso_segs;
	struct bpf_sock *sk;
};

static u64 (*socket_cookie)(void *sk) = (void *)46;
static long (*load_bytes)(void *skb, u32 offset, void *to, u32 size) = (void *)26;
static struct bpf_sock *(*full_socket)(void *sk) = (void *)95;
static void *(*storage_get)(void *map, void *sk, void *value, u64 flags) = (void *)107;
static void *(*current_task)(void) = (void *)35;
static struct socket *(*socket_of)(void *file) = (void *)162;
static long (*seq_write)(void *seq, const void *data, u32 size) = (void *)127;
static void *(*ring_reserve)(void *ring, u64 size, u64 flags) = (void *)131;
static void (*ring_submit)(void *data, u64 flags) = (void *)132;
static void (*ring_discard)(void *data, u64 flags) = (void *)133;

enum {
	TCP = 6,
	UDP = 17,
	MPTCP = 262,
	IPV4 = 2,
	IPV6 = 10,

	/* net/tcp_states.h */
	ESTABLISHED = 1,
	SYN_SENT = 2,
	SYN_RECV = 3,
	FIN_WAIT1 = 4,
	CLOSED = 7,
	CLOSE_WAIT = 8,
	LAST_ACK = 9,
	LISTENING = 10,

	FIN_CAME = 1 << 1, /* SOCK_DONE in skc_flags: the other end has closed */

	KIND_PROGRAM = 1,
	KIND_TCP = 2,
	KIND_UDP = 3,
	KIND_LISTENER = 4,

	OUTBOUND = 1,
	INBOUND = 2,
	LISTENS = 3,
	FOUND = 4, /* it was there before us */

	CLAIMED = 1, /* the owner is who used it, not only who made it */
	SEVERAL = 2, /* it spoke with more than one */
	CALLING = 4, /* a call that TCP has not made yet: where it has no way, it never does */

	NO_WAY = 101, /* ENETUNREACH */
};

/* Whose a socket is. start and execs name a program in a process that had many. */
struct owner {
	u64 start;
	u32 pid, uid, execs, pad;
};

struct state {
	struct owner owner;
	u64 began, established;
	u64 bytes_out, bytes_in; /* UDP only, from here */
	u32 packets_out, packets_in;
	u64 remote[2], local[2]; /* remote also of a call that TCP has not made yet */
	u16 remote_port, local_port; /* in the order of the network */
	u8 direction, flags, family, pad;
	u32 rtt_max;
	u32 pad2;
};

struct {
	NUMBER(type, MAP_SK_STORAGE);
	NUMBER(map_flags, NO_PREALLOC | CLONE);
	TYPE(key, int);
	TYPE(value, struct state);
} sockets SEC(".maps");

/* Programs that were told. What falls out of it is told again. */
struct {
	NUMBER(type, MAP_LRU_HASH);
	NUMBER(max_entries, 4096);
	TYPE(key, struct owner);
	TYPE(value, u8);
} told SEC(".maps");

/* record.go reads these. */
struct program {
	u32 kind;
	struct owner owner;
	struct parts path;
};
struct connection {
	u32 kind;
	u8 family, direction, state, flags;
	u32 error, soft_error;
	struct owner owner;
	u64 cookie;
	u64 began, established, at; /* nanoseconds since boot */
	u64 bytes_out, bytes_in;
	u32 segments_out, segments_in, retransmits;
	u32 rtt_min, rtt_avg, rtt_max;
	u32 netns;
	u16 local_port, remote_port;
	u8 local[16], remote[16];
};

_Static_assert(__builtin_offsetof(struct program, path.of) == 40, "programSize");
_Static_assert(sizeof(struct connection) == 152, "connectionSize");

INLINE u16 swapped(u16 v) { return __builtin_bswap16(v); }

/*
 * Notes the process that runs as the owner, and tells of its program where that
 * is news. A thread of the kernel owns nothing. It is not static, so that the
 * verifier looks at it once for each program and not for each call.
 */
__attribute__((noinline)) int own(struct owner *o)
{
	struct task_struct *task = current_task(), *leader;
	struct mm_struct *mm;
	struct file *file;
	unsigned int flags;
	u8 yes = 1;

	if (!o)
		return 0;
	READ(flags, task, flags);
	if (flags & KERNEL_THREAD)
		return 0;
	READ(leader, task, group_leader);
	READ(o->start, leader, start_boottime);
	READ(o->execs, leader, self_exec_id);
	o->pid = current_pid_tgid() >> 32;
	o->uid = (u32)current_uid_gid();
	o->pad = 0;

	struct owner key = *o;
	key.uid = 0;
	if (map_lookup(&told, &key))
		return 1;
	struct program *p = ring_reserve(&ring, sizeof(*p), 0);
	if (!p) {
		__sync_fetch_and_add(&lost, 1);
		return 1;
	}
	READ(mm, task, mm);
	READ(file, mm, exe_file);
	p->kind = KIND_PROGRAM;
	__builtin_memcpy(&p->owner, &key, sizeof(key));
	p->path.flags = walk(p->path.of, &p->path.bytes, file);
	ring_submit(p, NO_WAKEUP);
	map_update(&told, &key, &yes, 0);
	return 1;
}

INLINE void addresses(struct connection *c, struct sock *sk)
{
	struct net *net;

	c->family = sk->__sk_common.skc_family;
	c->remote_port = swapped(sk->__sk_common.skc_dport);
	READ(c->local_port, (struct inet_sock *)sk, inet_sport); /* skc_num is 0 once it is closed */
	c->local_port = swapped(c->local_port);
	if (c->family == IPV4) {
		READ(*(u32 *)c->local, sk, __sk_common.skc_rcv_saddr);
		READ(*(u32 *)c->remote, sk, __sk_common.skc_daddr);
	} else {
		READ(c->local, sk, __sk_common.skc_v6_rcv_saddr);
		READ(c->remote, sk, __sk_common.skc_v6_daddr);
	}
	READ(net, sk, __sk_common.skc_net.net);
	READ(c->netns, net, ns.inum);
}

INLINE void figures(struct connection *c, struct sock *sk, struct state *s)
{
	struct tcp_sock *tp = (void *)sk;
	u64 sent, again;
	unsigned long flags;

	READ(sent, tp, bytes_sent);
	READ(again, tp, bytes_retrans);
	READ(flags, sk, __sk_common.skc_flags);
	READ(c->bytes_in, tp, bytes_received);
	READ(c->segments_out, tp, segs_out);
	READ(c->segments_in, tp, segs_in);
	READ(c->retransmits, tp, total_retrans);
	READ(c->rtt_min, tp, rtt_min.s[0].v);
	READ(c->rtt_avg, tp, srtt_us);
	c->bytes_out = sent - again;
	c->rtt_avg >>= 3;
	if (c->rtt_min == ~0U)
		c->rtt_min = 0;
	if (c->bytes_in && flags & FIN_CAME) /* the kernel counts it as a byte */
		c->bytes_in--;
	if (!s)
		return;
	if (s->rtt_max < c->rtt_avg)
		s->rtt_max = c->rtt_avg;
	c->rtt_max = s->rtt_max;
}

INLINE void describe(struct connection *c, struct sock *sk, struct state *s)
{
	c->kind = KIND_TCP;
	c->at = boot_ns();
	c->cookie = socket_cookie(sk);
	c->error = sk->sk_err;
	c->soft_error = sk->sk_err_soft;
	addresses(c, sk);
	figures(c, sk, s);
	if (!s)
		return;
	c->owner = s->owner;
	c->direction = s->direction;
	c->began = s->began;
	c->established = s->established;
}

/* A socket begins anew: it may have called before. */
INLINE void begin(struct state *s, u8 direction)
{
	__builtin_memset(s, 0, sizeof(*s));
	s->direction = direction;
	s->began = boot_ns();
}

INLINE void established(struct sock *sk, int before)
{
	struct state *s = storage_get(&sockets, sk, 0, CREATE);

	if (!s) {
		__sync_fetch_and_add(&lost, 1);
		return;
	}
	if (before == SYN_RECV && s->direction != OUTBOUND) { /* an accepted one, with its listener's */
		struct owner o = s->owner;
		begin(s, INBOUND);
		s->owner = o;
	}
	s->established = boot_ns();
}

/* It is its own end that is closed, which a process does: it is whose it was. */
INLINE void closing(struct sock *sk)
{
	struct state *s = storage_get(&sockets, sk, 0, CREATE);
	struct owner o = {};
	u32 rtt;

	if (!s)
		return;
	if (s->direction != OUTBOUND && own(&o))
		s->owner = o;
	READ(rtt, (struct tcp_sock *)sk, srtt_us);
	if (s->rtt_max < rtt >> 3)
		s->rtt_max = rtt >> 3;
}

/* The signature of a tp_btf program: its arguments, each as one u64. */
SEC("tp_btf/inet_sock_set_state")
int on_state(u64 *args)
{
	struct sock *sk = (void *)args[0];
	int before = args[1], now = args[2];
	struct state *s;

	if (sk->sk_protocol != TCP)
		return 0;
	switch (now) {
	case SYN_SENT:
	case LISTENING:
		s = storage_get(&sockets, sk, 0, CREATE);
		if (!s) {
			__sync_fetch_and_add(&lost, 1);
			return 0;
		}
		begin(s, now == LISTENING ? LISTENS : OUTBOUND);
		own(&s->owner);
		return 0;
	case ESTABLISHED:
		established(sk, before);
		return 0;
	case FIN_WAIT1:
	case LAST_ACK:
		closing(sk);
		return 0;
	case CLOSED:
		break;
	default:
		return 0;
	}
	if (before == LISTENING || before == CLOSED)
		return 0;
	if (!sk->sk_err && (before == ESTABLISHED || before == CLOSE_WAIT))
		closing(sk); /* its process closed it without a FIN */
	struct connection c = {};
	describe(&c, sk, storage_get(&sockets, sk, 0, 0));
	c.state = before;
	tell(&c, sizeof(c));
	return 0;
}

/* UDP: who made the socket, and then who used it. */
INLINE void claim(void *sk, u8 flags)
{
	struct state *s = storage_get(&sockets, sk, 0, CREATE);

	if (!s) {
		__sync_fetch_and_add(&lost, 1);
		return;
	}
	if (s->flags & CLAIMED)
		return;
	if (!s->began)
		s->began = boot_ns();
	s->flags |= flags;
	own(&s->owner);
}

SEC("cgroup/sock_create")
int on_create(struct bpf_sock *sk)
{
	if (sk->protocol == UDP)
		claim(sk, 0);
	return 1;
}

INLINE int used(struct bpf_sock_addr *c)
{
	if (c->protocol == UDP && c->sk)
		claim(c->sk, CLAIMED);
	return 1;
}

/*
 * A call for which there is no way ends before TCP changes the socket's state, so
 * it is noted here, and told when the socket is closed and never called again.
 */
INLINE struct state *called(struct bpf_sock_addr *c, u8 family)
{
	if (c->protocol != TCP || !c->sk)
		return 0;
	struct state *s = storage_get(&sockets, c->sk, 0, CREATE);
	if (!s) {
		__sync_fetch_and_add(&lost, 1);
		return 0;
	}
	begin(s, OUTBOUND);
	s->flags = CALLING;
	s->family = family;
	s->remote_port = c->user_port;
	own(&s->owner);
	return s;
}

SEC("cgroup/connect4")
int on_connect4(struct bpf_sock_addr *c)
{
	struct state *s = called(c, IPV4);

	if (s)
		s->remote[0] = c->user_ip4;
	return used(c);
}

SEC("cgroup/connect6")
int on_connect6(struct bpf_sock_addr *c)
{
	struct state *s = called(c, IPV6);

	if (s) {
		s->remote[0] = (u64)c->user_ip6[1] << 32 | c->user_ip6[0];
		s->remote[1] = (u64)c->user_ip6[3] << 32 | c->user_ip6[2];
	}
	return used(c);
}

SEC("cgroup/sendmsg4")
int on_sendmsg4(struct bpf_sock_addr *c) { return used(c); }
SEC("cgroup/sendmsg6")
int on_sendmsg6(struct bpf_sock_addr *c) { return used(c); }

/* Where a packet's headers end, and the ends that they name. */
struct headers {
	u64 source[2], destination[2];
	u32 bytes;
	u16 ports[2];
	u8 family;
};

INLINE bool headers_of(struct __sk_buff *skb, struct headers *h)
{
	u8 first;

	if (skb->protocol == swapped(0x0800)) {
		if (load_bytes(skb, 0, &first, 1) || load_bytes(skb, 12, h->source, 4) || load_bytes(skb, 16, h->destination, 4))
			return 0;
		h->family = IPV4;
		h->bytes = (first & 15) * 4;
	} else {
		if (load_bytes(skb, 8, h->source, 16) || load_bytes(skb, 24, h->destination, 16))
			return 0;
		h->family = IPV6;
		h->bytes = 40;
	}
	if (load_bytes(skb, h->bytes, h->ports, 4))
		return 0;
	h->bytes += 8;
	return 1;
}

INLINE void meet(struct state *s, const u64 *now, const u64 *local, u16 remote_port, u16 local_port, u8 family)
{
	s->local_port = local_port;
	s->local[0] = local[0];
	s->local[1] = local[1];
	if (!s->packets_in && !s->packets_out) {
		s->remote[0] = now[0];
		s->remote[1] = now[1];
		s->remote_port = remote_port;
		s->family = family;
	} else if (s->remote[0] != now[0] || s->remote[1] != now[1] || s->remote_port != remote_port) {
		s->flags |= SEVERAL;
	}
}

INLINE int packet(struct __sk_buff *skb, bool in)
{
	struct bpf_sock *sk = skb->sk;

	if (!sk)
		return 1;
	sk = full_socket(sk);
	if (!sk || sk->protocol != UDP)
		return 1;
	struct headers h = {};
	if (!headers_of(skb, &h))
		return 1;
	struct state *s = storage_get(&sockets, sk, 0, CREATE);
	if (!s) {
		__sync_fetch_and_add(&lost, 1);
		return 1;
	}
	if (!s->began)
		s->began = boot_ns();
	if (!(s->direction == OUTBOUND || s->direction == INBOUND))
		s->direction = in ? INBOUND : OUTBOUND;
	u32 packets = skb->gso_segs ? skb->gso_segs : 1;
	u64 bytes = skb->len > h.bytes ? skb->len - h.bytes : 0;
	if (in) {
		meet(s, h.source, h.destination, h.ports[0], h.ports[1], h.family);
		__sync_fetch_and_add(&s->bytes_in, bytes);
		__sync_fetch_and_add(&s->packets_in, packets);
	} else {
		meet(s, h.destination, h.source, h.ports[1], h.ports[0], h.family);
		__sync_fetch_and_add(&s->bytes_out, bytes);
		__sync_fetch_and_add(&s->packets_out, packets);
	}
	return 1;
}

SEC("cgroup_skb/egress")
int on_egress(struct __sk_buff *skb) { return packet(skb, 0); }
SEC("cgroup_skb/ingress")
int on_ingress(struct __sk_buff *skb) { return packet(skb, 1); }

/* What was counted here, and not by the kernel. */
INLINE void describe_udp(struct connection *c, struct state *s)
{
	c->kind = KIND_UDP;
	c->at = boot_ns();
	c->family = s->family;
	c->direction = s->direction;
	c->flags = s->flags;
	c->owner = s->owner;
	c->began = s->began;
	c->bytes_out = s->bytes_out;
	c->bytes_in = s->bytes_in;
	c->segments_out = s->packets_out;
	c->segments_in = s->packets_in;
	c->local_port = swapped(s->local_port);
	c->remote_port = swapped(s->remote_port);
	__builtin_memcpy(c->remote, s->remote, sizeof(c->remote));
	__builtin_memcpy(c->local, s->local, sizeof(c->local));
}

SEC("cgroup/sock_release")
int on_release(struct bpf_sock *sk)
{
	if (sk->protocol != UDP && sk->protocol != TCP)
		return 1;
	struct state *s = storage_get(&sockets, sk, 0, 0);
	if (!s || !(sk->protocol == TCP ? s->flags & CALLING : s->packets_in | s->packets_out))
		return 1;
	struct connection c = {};
	describe_udp(&c, s);
	c.cookie = socket_cookie(sk);
	if (sk->protocol == TCP) {
		c.kind = KIND_TCP;
		c.state = SYN_SENT;
		c.error = NO_WAY;
	}
	tell(&c, sizeof(c));
	return 1;
}

struct bpf_iter_meta {
	void *seq;
} RELOCATED;
struct bpf_iter__task_file {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	u32 fd;
	struct file *file;
} RELOCATED;
struct bpf_iter__bpf_sk_storage_map {
	struct bpf_iter_meta *meta;
	void *map;
	struct sock *sk;
	struct state *value;
} RELOCATED;

struct bpf_iter__tcp {
	struct bpf_iter_meta *meta;
	struct sock_common *sk_common;
} RELOCATED;

/*
 * The file of an MPTCP socket names a whole; what TCP tells of are its parts. By
 * the address of the first, which is compared and never followed.
 */
struct {
	NUMBER(type, MAP_HASH);
	NUMBER(map_flags, NO_PREALLOC);
	NUMBER(max_entries, 4096);
	TYPE(key, u64);
	TYPE(value, struct owner);
} parts_of_mptcp SEC(".maps");

INLINE void found(void *sk, struct owner *o, u8 state)
{
	struct state *s = storage_get(&sockets, sk, 0, CREATE);

	if (!s) {
		__sync_fetch_and_add(&lost, 1);
		return;
	}
	if (s->owner.pid)
		return;
	s->owner = *o;
	if (!s->direction)
		s->direction = state == LISTENING ? LISTENS : FOUND;
}

/* Once at the start: gives every socket that is there its owner. */
SEC("iter/task_file")
int seed(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;

	if (!task || !file)
		return 0;
	struct socket *socket = socket_of(file);
	if (!socket)
		return 0;
	struct sock *sk = socket->sk;
	if (!sk)
		return 0;
	u16 family = sk->__sk_common.skc_family;
	if (family != IPV4 && family != IPV6)
		return 0;
	struct owner o = {.pid = task->tgid};
	o.uid = task->cred->uid.val;
	o.start = task->group_leader->start_boottime;
	o.execs = task->group_leader->self_exec_id;
	if (sk->sk_protocol == MPTCP) {
		struct mptcp_sock *whole = (void *)sk;
		if (!field_exists(whole->first))
			return 0;
		u64 first = 0;
		READ(first, whole, first);
		if (first)
			map_update(&parts_of_mptcp, &first, &o, 0);
		return 0;
	}
	found(sk, &o, sk->__sk_common.skc_state);
	return 0;
}

/* And after that: the sockets of TCP that no file names. */
SEC("iter/tcp")
int seed_parts(struct bpf_iter__tcp *ctx)
{
	struct sock_common *sk = ctx->sk_common;
	u64 key = (u64)sk;
	struct owner *o;

	if (!sk)
		return 0;
	o = map_lookup(&parts_of_mptcp, &key);
	if (o)
		found(sk, o, sk->skc_state);
	return 0;
}

/* Each minute: how far what is open has come. */
SEC("iter/bpf_sk_storage_map")
int survey(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	struct sock *sk = ctx->sk;
	struct state *s = ctx->value;

	if (!sk || !s)
		return 0;
	struct connection c = {};
	if (sk->sk_protocol == TCP) {
		u8 state = sk->__sk_common.skc_state;
		if (state == CLOSED)
			return 0;
		describe(&c, sk, s);
		c.state = state;
		if (state == LISTENING)
			c.kind = KIND_LISTENER;
	} else {
		if (!(s->packets_in | s->packets_out))
			return 0;
		describe_udp(&c, s);
		c.cookie = socket_cookie(sk);
	}
	seq_write(ctx->meta->seq, &c, sizeof(c));
	return 0;
}
