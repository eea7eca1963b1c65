/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * What every eBPF program of this project shares: integer types, the helpers
 * of the kernel that are called (by their numbers in linux/bpf.h), and the
 * ring through which records reach the agent. It stands alone: no header of
 * the kernel or of libbpf is needed, and no register of a processor is named,
 * so that one object serves every little-endian machine.
 */
#ifndef KERNEL_H
#define KERNEL_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef int s32;
typedef unsigned long long u64;
typedef _Bool bool;

#define SEC(name) __attribute__((section(name), used))
#define INLINE static inline __attribute__((always_inline))

/*
 * A structure of the kernel of which only the fields that are read are named.
 * The loader finds their places in the kernel that runs (CO-RE).
 */
#define RELOCATED __attribute__((preserve_access_index))
#define field_exists(field) __builtin_preserve_field_info(field, 2)
#define field_offset(type, field) __builtin_preserve_field_info(((type *)0)->field, 0)

/* Maps are described by the types of their members. */
#define NUMBER(name, value) int(*name)[value]
#define TYPE(name, type) type *name

enum {
	MAP_HASH = 1,
	MAP_ARRAY = 2,
	MAP_PERCPU_ARRAY = 6,
	MAP_LRU_HASH = 9,
	MAP_SK_STORAGE = 24,
	MAP_RINGBUF = 27,

	NO_PREALLOC = 1, /* map flag */
	CLONE = 512,	 /* map flag: an accepted socket inherits what its listener has */
	CREATE = 1,	 /* storage_get: make it where it is not there */

	NO_WAKEUP = 1,
	FORCE_WAKEUP = 2,
	AVAIL_DATA = 0,
};

static void *(*map_lookup)(void *map, const void *key) = (void *)1;
static long (*map_update)(void *map, const void *key, const void *value, u64 flags) = (void *)2;
static long (*map_delete)(void *map, const void *key) = (void *)3;
static u64 (*current_pid_tgid)(void) = (void *)14;
static u64 (*current_uid_gid)(void) = (void *)15;
static long (*read_kernel)(void *to, u32 size, const void *from) = (void *)113;
static long (*read_kernel_str)(void *to, u32 size, const void *from) = (void *)115;
static u64 (*boot_ns)(void) = (void *)125;
static long (*ring_output)(void *ring, void *data, u64 size, u64 flags) = (void *)130;
static u64 (*ring_query)(void *ring, u64 what) = (void *)134;

/* READ reads a field of a structure at an address that the verifier does not know. */
#define READ(to, from, field) read_kernel(&(to), sizeof(to), __builtin_preserve_access_index(&(from)->field))

/*
 * The ring. RING_BYTES may be defined before; it is a power of two and at least
 * a page. The agent reads once a second and is woken only where the ring is half
 * full: a wake-up for each record would cost thirty times as much.
 */
#ifndef RING_BYTES
#define RING_BYTES (512 << 10)
#endif

struct {
	NUMBER(type, MAP_RINGBUF);
	NUMBER(max_entries, RING_BYTES);
} ring SEC(".maps");

/* Records for which the ring had no room. */
u64 lost;

INLINE void tell(void *record, u64 size)
{
	u64 flags = ring_query(&ring, AVAIL_DATA) >= RING_BYTES / 2 ? FORCE_WAKEUP : NO_WAKEUP;
	if (ring_output(&ring, record, size, flags))
		__sync_fetch_and_add(&lost, 1);
}

/* Some helpers are given only to programs under the GPL: hence both licences. */
char LICENSE[] SEC("license") = "Dual MIT/GPL";

#endif
