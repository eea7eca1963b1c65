/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Which program runs in a process, for records that are not about its start.
 * The path is that of the program's file, as parts: the last first, each with a
 * zero after it. No argument and no environment is read.
 */
#ifndef PROGRAM_H
#define PROGRAM_H

#include "kernel.h"

struct qstr {
	const unsigned char *name;
} RELOCATED;
struct dentry {
	struct dentry *d_parent;
	struct qstr d_name;
} RELOCATED;
struct vfsmount {
	struct dentry *mnt_root;
} RELOCATED;
struct mount {
	struct mount *mnt_parent;
	struct dentry *mnt_mountpoint;
	struct vfsmount mnt;
} RELOCATED;
struct path {
	struct vfsmount *mnt;
	struct dentry *dentry;
} RELOCATED;
struct file {
	struct path f_path;
} RELOCATED;
struct mm_struct {
	struct file *exe_file;
} RELOCATED;
typedef struct {
	u32 val;
} RELOCATED kuid_t;
struct cred {
	kuid_t uid;
} RELOCATED;
struct task_struct {
	unsigned int flags;
	int tgid;
	struct task_struct *group_leader;
	struct mm_struct *mm;
	const struct cred *cred;
	u64 start_boottime;
	u32 self_exec_id;
} RELOCATED;

enum {
	KERNEL_THREAD = 0x200000, /* PF_KTHREAD */

	PATH_BYTES = 1024,
	NAME_BYTES = 256,
	PARTS = 32, /* each costs the verifier, in each program that asks */
	CUT_SHORT = 1,
};

struct parts {
	u32 flags, bytes;
	char of[PATH_BYTES + NAME_BYTES];
};

INLINE void walk(struct parts *p, struct file *file)
{
	struct dentry *d, *root, *parent;
	struct vfsmount *vfs;
	u32 at = 0;

	READ(d, file, f_path.dentry);
	READ(vfs, file, f_path.mnt);
	p->flags = CUT_SHORT;
	for (int i = 0; i < PARTS; i++) {
		READ(root, vfs, mnt_root);
		READ(parent, d, d_parent);
		if (d == root) {
			struct mount *m = (void *)vfs - field_offset(struct mount, mnt), *up;
			READ(up, m, mnt_parent);
			if (m == up) {
				p->flags = 0;
				break;
			}
			READ(d, m, mnt_mountpoint);
			vfs = (void *)up + field_offset(struct mount, mnt);
			continue;
		}
		const unsigned char *name;
		READ(name, d, d_name.name);
		if (at > PATH_BYTES)
			break;
		long n = read_kernel_str(p->of + at, NAME_BYTES, name);
		if (n <= 0)
			break;
		at += n;
		if (d == parent) { /* a file in memory that hangs on no tree */
			p->flags = 0;
			break;
		}
		d = parent;
	}
	p->bytes = at;
}

#endif
