/*
 * What keeper.c (life) and keeper_channel.c (messages) share.
 */
#ifndef PIPELOCK_KEEPER_INTERNAL_H
#define PIPELOCK_KEEPER_INTERNAL_H

#include "common/keeper.h"
#include "pipelock/audit/file.h"
#include "pipelock/tls/ca.h"

#define FINGERPRINT_KEY_SIZE 32
#define MAX_FLUSHES 16

enum keeper_channel_index { CHANNEL_SUPERVISOR, CHANNEL_PROXY, CHANNEL_EGRESS, CHANNELS };

struct keeper_channel {
	int fd;
	const char *role;
	unsigned permitted;	  /* bits of enum keeper_message */
	struct ipc_writer answer; /* one that the socket had no room for; nothing is read until it is gone */
	bool answer_waits;
	bool closed;
};

struct flush {
	struct keeper_channel *channel;
	uint32_t token;
};

struct keeper {
	struct audit_health *health;
	struct audit_journal *journal;
	struct audit_file *file;
	struct ca *ca;
	uint8_t fingerprint_key[FINGERPRINT_KEY_SIZE];
	struct keeper_channel channels[CHANNELS];
	struct flush flushes[MAX_FLUSHES]; /* not answered yet */
	size_t flush_count;
	bool serving; /* requests are answered; before, only records are taken, and requests are of a group
			 that is gone */
	bool written; /* the last write left nothing behind */
};

int64_t keeper_now_ms(void); /* since the epoch */

enum keeper_read {
	READ_EMPTY,   /* nothing more is there */
	READ_MORE,    /* there may be more */
	READ_BLOCKED, /* there may be more, but the journal is full or an answer waits */
};

/* Take up to a batch of messages. */
enum keeper_read keeper_channel_read(struct keeper *keeper, struct keeper_channel *channel);

/* Try again to send the answer that waits. */
void keeper_channel_write(struct keeper_channel *channel);

/* The record that a keeper before us had received and not yet put into the journal. */
void keeper_take_inbox(struct keeper *keeper);

/* Answer the flushes: what came before them is in the file and synced. */
void keeper_answer_flushes(struct keeper *keeper);

#endif
