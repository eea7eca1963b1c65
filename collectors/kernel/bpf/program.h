/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Which program runs in a process, for records that are not about its start.
 * The path is that of the program's file, as parts: the last first, each with a
 * zero after it. No argument and no environment is read.
 */
#ifndef PROGRAM_H
#define PROGRAM_H

#include "path.h"

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
};

struct parts {
	u32 flags, bytes;
	char of[PATH_BYTES + NAME_BYTES];
};

#endif
