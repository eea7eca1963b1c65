/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The path of a file, by the kernel's own tree: as parts, the last first, each with
 * a zero after it. A program may define PARTS and PATH_BYTES before
 * it includes this.
 */
#ifndef PATH_H
#define PATH_H

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

#ifndef PARTS
#define PARTS 32 /* each costs the verifier, in each program that asks */
#endif
#ifndef PATH_BYTES
#define PATH_BYTES 1024
#endif

enum {
	NAME_BYTES = 256,
	CUT_SHORT = 1,
};

/*
 * walk writes the parts of a file's path to a place of PATH_BYTES + NAME_BYTES and
 * how many bytes they are. It returns CUT_SHORT where there are more, else 0.
 */
INLINE u32 walk(char *to, u32 *bytes, struct file *file)
{
	struct dentry *d, *root, *parent;
	struct vfsmount *vfs;
	u32 at = 0, flags = CUT_SHORT;

	READ(d, file, f_path.dentry);
	READ(vfs, file, f_path.mnt);
	for (int i = 0; i < PARTS; i++) {
		READ(root, vfs, mnt_root);
		READ(parent, d, d_parent);
		if (d == root) {
			struct mount *m = (void *)vfs - field_offset(struct mount, mnt), *up;
			READ(up, m, mnt_parent);
			if (m == up) {
				flags = 0;
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
		long n = read_kernel_str(to + at, NAME_BYTES, name);
		if (n <= 0)
			break;
		at += n;
		if (d == parent) { /* a file in memory that hangs on no tree */
			flags = 0;
			break;
		}
		d = parent;
	}
	*bytes = at;
	return flags;
}

#endif
