/*
 * The keeper's messages: one table says who may say what. A message that is not in it, or that doesn't parse,
 * means that the role at the other end is no longer ours, and ends the keeper, and with it the group.
 */
#include "pipelock/keeper_internal.h"

#include "common/role.h"

#include <errno.h>
#include <openssl/crypto.h>

#define BATCH 64

static void send_answer(struct keeper_channel *channel, struct ipc_writer *answer)
{
	int result = ipc_send(channel->fd, answer);
	if (result == -EAGAIN) {
		channel->answer = *answer;
		channel->answer_waits = true;
		return;
	}
	/* A role that is gone needs no answer; the supervisor sees to the rest. */
	if (result == -EMSGSIZE)
		role_fatal("an answer to the %s can't be made", channel->role);
	ipc_writer_release(answer);
}

void keeper_channel_write(struct keeper_channel *channel)
{
	struct ipc_writer answer = channel->answer;
	channel->answer_waits = false;
	channel->answer = (struct ipc_writer){.failed = true};
	send_answer(channel, &answer);
}

static void on_record(struct keeper *keeper, struct keeper_channel *channel, struct ipc_reader *message)
{
	struct span members = ipc_get_span(message);
	if (!ipc_reader_done(message) || members.n > KEEPER_MAX_RECORD || members.n == 0 ||
		members.p[0] != '"' || !audit_file_append(keeper->file, channel->role, members))
		role_fatal("the %s sent a malformed record", channel->role);
}

static void on_hello(struct keeper *keeper, struct keeper_channel *channel, struct ipc_reader *message)
{
	struct span spki = ipc_get_span(message);
	if (!ipc_reader_done(message) || (keeper->serving && !ca_set_leaf_key(keeper->ca, spki)))
		role_fatal("the %s sent a malformed HELLO", channel->role);
	if (!keeper->serving)
		return;
	struct ipc_writer answer;
	ipc_writer_init(&answer, KEEPER_WELCOME);
	ipc_put_span(&answer, ca_certificate(keeper->ca));
	ipc_put_span(&answer, (struct span){(const char *)keeper->fingerprint_key, FINGERPRINT_KEY_SIZE});
	send_answer(channel, &answer);
}

static void on_mint(struct keeper *keeper, struct keeper_channel *channel, struct ipc_reader *message)
{
	uint32_t serial = ipc_get_u32(message);
	struct span name = ipc_get_span(message), der = {"", 0};
	if (!ipc_reader_done(message))
		role_fatal("the %s sent a malformed MINT", channel->role);
	if (!keeper->serving)
		return;
	if (!ca_mint(keeper->ca, name, (time_t)(keeper_now_ms() / 1000), &der))
		der = (struct span){"", 0};
	struct ipc_writer answer;
	ipc_writer_init(&answer, KEEPER_LEAF);
	ipc_put_u32(&answer, serial);
	ipc_put_span(&answer, der);
	send_answer(channel, &answer);
}

static void on_flush(struct keeper *keeper, struct keeper_channel *channel, struct ipc_reader *message)
{
	uint32_t token = ipc_get_u32(message);
	if (!ipc_reader_done(message) || keeper->flush_count == MAX_FLUSHES)
		role_fatal("the %s sent a malformed FLUSH, or too many", channel->role);
	if (keeper->serving)
		keeper->flushes[keeper->flush_count++] = (struct flush){channel, token};
}

void keeper_answer_flushes(struct keeper *keeper)
{
	for (size_t i = 0; i < keeper->flush_count; i++) {
		struct flush *flush = &keeper->flushes[i];
		struct ipc_writer answer;
		/* Behind an answer that waits there is no place for another; the role asks again or gives up.
		 */
		if (flush->channel->answer_waits)
			continue;
		ipc_writer_init(&answer, KEEPER_FLUSHED);
		ipc_put_u32(&answer, flush->token);
		send_answer(flush->channel, &answer);
	}
	keeper->flush_count = 0;
}

static void dispatch(struct keeper *keeper, struct keeper_channel *channel, struct span text)
{
	struct ipc_reader message = {.p = text.p, .n = text.n};
	uint8_t type = ipc_get_u8(&message);
	if (type > KEEPER_FLUSHED || !(channel->permitted & (1u << type)))
		role_fatal("the %s sent message %u, which it may not", channel->role, type);
	switch (type) {
	case KEEPER_RECORD:
		on_record(keeper, channel, &message);
		break;
	case KEEPER_HELLO:
		on_hello(keeper, channel, &message);
		break;
	case KEEPER_MINT:
		on_mint(keeper, channel, &message);
		break;
	default:
		on_flush(keeper, channel, &message);
	}
}

enum keeper_read keeper_channel_read(struct keeper *keeper, struct keeper_channel *channel)
{
	char *inbox = keeper->journal->inbox;
	for (int i = 0; i < BATCH && !channel->closed; i++) {
		if (channel->answer_waits || !audit_file_has_room(keeper->file))
			return READ_BLOCKED;
		/* Received into memory that outlives us: whenever we are killed, the record is in the socket,
		 * in the inbox, in the journal or in the file. */
		keeper->journal->inbox_channel = (uint32_t)(channel - keeper->channels);
		ssize_t n = ipc_receive(channel->fd, inbox, IPC_MAX_MESSAGE);
		if (n == -EAGAIN)
			return READ_EMPTY;
		if (n == -EMSGSIZE)
			role_fatal("the %s sent a message that is too long", channel->role);
		channel->closed = n <= 0;
		if (n > 0)
			dispatch(keeper, channel, (struct span){inbox, (size_t)n});
		inbox[0] = 0;
	}
	return channel->closed ? READ_EMPTY : READ_MORE;
}

void keeper_take_inbox(struct keeper *keeper)
{
	struct audit_journal *journal = keeper->journal;
	struct ipc_reader message = {.p = journal->inbox, .n = IPC_MAX_MESSAGE};
	if (ipc_get_u8(&message) == KEEPER_RECORD && journal->inbox_channel < CHANNELS) {
		struct span members = ipc_get_span(&message);
		struct keeper_channel *channel = &keeper->channels[journal->inbox_channel];
		/* It may have got into the journal just before the end. Malformed, it may be why the keeper
		 * ended. */
		if (!message.failed && members.n > 0 && members.n <= KEEPER_MAX_RECORD &&
			members.p[0] == '"' && !audit_file_ends_with(keeper->file, members))
			audit_file_append(keeper->file, channel->role, members);
	}
	OPENSSL_cleanse(journal->inbox, sizeof(journal->inbox));
}
