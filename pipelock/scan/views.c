/*
 * A node's text passes its lane (the rules) and its stages (the views), which hand what they make to nodes of
 * their own. Each step of a stage leaves a mark in its outputs, so that positions can be told in the text.
 */
#include "pipelock/scan/views.h"

#include "pipelock/scan/findings.h"
#include "pipelock/scan/node.h"

#include <stdlib.h>

static void node_take(struct node *node, struct span octets, bool last);

/* ---- matches */

static struct found found_at(const struct node *node, uint64_t begin, uint64_t end)
{
	const struct views *views = node->views;
	struct found found = {.part = views->part, .view = node->view, .target = views->target};
	for (; node->parent; node = node->parent)
		marks_extent(&node->marks, node->stage->used, &begin, &end);
	found.offset = begin;
	found.length = end - begin;
	return found;
}

static bool on_match(
	void *arg, const struct compiled_rule *rule, const struct window *window, const struct match *match)
{
	struct node *node = arg;
	struct views *views = node->views;
	uint64_t from = node->lane.first - node->lane_from;
	bool added;
	if (node->joins > 0 && !findings_rule_has_letters(rule))
		return false;
	struct found found = found_at(node, match->begin - from, match->end - from);
	found.secret.p = (const char *)window->p + (match->secret - window->base);
	found.secret.n = match->secret_end - match->secret;
	if (views->only_ask) {
		bool is_finding = findings_would_add(rule, &found);
		views->would_add |= is_finding;
		return is_finding;
	}
	bool is_finding = findings_add(views->out, rule, &found, views->scanner->key, &added);
	views->added |= added;
	return is_finding;
}

static void on_known(void *arg, const struct known_match *match)
{
	struct node *node = arg;
	struct views *views = node->views;
	const struct compiled_rule *rule = known_set_rule(views->known, match->value);
	struct found found = found_at(node, node->known_from + match->begin, node->known_from + match->end);
	bool added = false;
	found.secret = match->secret;
	if (views->only_ask)
		views->would_add |= findings_would_add(rule, &found);
	else if (match->again)
		findings_widen(views->out, rule, &found, views->scanner->key);
	else
		findings_add(views->out, rule, &found, views->scanner->key, &added);
	views->added |= added;
}

/* ---- rules against a node's text */

void views_grant(struct views *views, size_t octets)
{
	views->budget += SCAN_BUDGET_OCTET * (uint64_t)octets;
}

void views_grant_unpacked(struct views *views, size_t octets)
{
	views_grant(views, octets);
	views->unpacked += octets;
	if (views->unpacked > VIEWS_UNPACKED + VIEWS_UNPACKED_RATIO * views->root->fed)
		views_fail(views, "compressed data in it unpacks to more than may be scanned");
}

void views_charge(struct views *views, uint64_t work)
{
	views->work += work;
	if (views->work > views->budget)
		views_fail(views, "the budget for scanning ran out");
}

void views_fail(struct views *views, const char *why)
{
	if (!views->failure)
		views->failure = why;
}

/* The lowest bit that is set. */
static unsigned lowest(unsigned bits)
{
	return (unsigned)__builtin_ctz(bits);
}

/* A part of the node has so much memory now, which the caller keeps in mind. */
static void node_count(struct node *node, size_t *part, size_t now)
{
	int64_t more = (int64_t)now - (int64_t)*part;
	*part = now;
	node->memory += (size_t)more;
	node->views->memory += (size_t)more;
	scanner_hold(node->views->scanner, more);
}

static void node_count_lane(struct node *node)
{
	node_count(node, &node->lane_memory, lane_memory(&node->lane, node->views->scanner));
}

static void stage_count(struct stage *stage)
{
	if (stage->kind->memory)
		node_count(stage->node, &stage->memory, stage->kind->memory(stage));
}

static bool node_begin_lane(struct node *node)
{
	struct views *views = node->views;
	if (!node->has_lane) {
		if (!lane_init(&node->lane, views->scanner, on_match, node)) {
			lane_release(&node->lane);
			views_fail(views, "there was no memory to scan it");
			return false;
		}
		node->has_lane = true;
	}
	lane_begin(&node->lane, views->scanner, views->part);
	node->lane_begun = true;
	known_begin(&node->known, views->known);
	node->known_from = node->lane_from;
	return true;
}

static void node_find_known(struct node *node, struct span octets)
{
	struct views *views = node->views;
	uint64_t before = node->known.work;
	known_feed(&node->known, octets, on_known, node);
	views->work += node->known.work - before;
}

/* What all lanes of the tree may still do is what this one may do now. */
static void node_search(struct node *node, struct span octets, bool last)
{
	struct views *views = node->views;
	struct search *search = &node->lane.search;
	if (!node->lane_begun && (octets.n == 0 || !node_begin_lane(node)))
		return;
	if (views->known)
		node_find_known(node, octets);
	uint64_t before = search->work;
	search->budget = before + (views->budget > views->work ? views->budget - views->work : 0);
	if (!lane_feed(&node->lane, octets, last))
		views_fail(views, search->failure);
	views->work += search->work - before;
	node_count_lane(node);
}

/* ---- nodes */

/* There is room for it: those that are not live were kept, which are few, or let go, and are taken first. */
static struct node *node_new(struct views *views)
{
	struct node *node = views->spare;
	if (node) {
		views->spare = node->parent;
		return node;
	}
	node = calloc(1, sizeof(*node));
	if (!node) {
		views_fail(views, "there was no memory to scan it");
		return NULL;
	}
	node->views = views;
	node_count(node, &(size_t){0}, sizeof(*node));
	views->nodes[views->node_count++] = node;
	return node;
}

/* What its stages took is given back; they have to begin anew. */
static void node_stop(struct node *node)
{
	for (int i = 0; i < STAGES; i++) {
		struct stage *stage = node->active & STAGE(i) ? node->stages[i] : NULL;
		if (!stage || !stage->kind->release)
			continue;
		stage->kind->release(stage);
		stage_count(stage);
	}
	node->active = 0;
}

/* Nothing of a text stays in memory when it is over. */
static void node_wipe(struct node *node)
{
	node_stop(node);
	for (int i = 0; i < STAGES; i++)
		if (node->dirty & STAGE(i) && node->stages[i])
			explicit_bzero(node->stages[i]->state, node->stages[i]->kind->wiped_size);
	lane_wipe(&node->lane);
	explicit_bzero(&node->known, sizeof(node->known));
	explicit_bzero(node->gather, node->gather_dirty);
	node->dirty = 0;
	node->gather_dirty = 0;
}

static void node_free(struct node *node)
{
	node_wipe(node);
	for (int i = 0; i < STAGES; i++)
		free(node->stages[i]);
	lane_release(&node->lane);
	node_count(node, &(size_t){node->memory}, 0);
	free(node);
}

static bool node_begin_stage(struct node *node, unsigned index)
{
	const struct stage_kind *kind = stage_kinds[index];
	struct stage *stage = node->stages[index];
	if (!stage) {
		stage = calloc(1, sizeof(*stage) + kind->size);
		if (!stage) {
			views_fail(node->views, "there was no memory to scan it");
			return false;
		}
		stage->kind = kind;
		stage->node = node;
		node->stages[index] = stage;
		node_count(node, &(size_t){0}, sizeof(*stage) + kind->size);
	}
	stage->used = stage->complete = 0;
	stage->live = 0;
	kind->init(stage);
	return !node->views->failure;
}

static void node_begin(struct node *node, unsigned stages)
{
	node->generation = node->views->generation;
	node->fed = node->lane_from = node->safe = node->settled = 0;
	node->marks.count = 0;
	node->lane_begun = false;
	node->gathered = node->kept = 0;
	node->active = stages;
	node->dirty |= stages | NODE_TEXT;
	for (unsigned i = 0; i < STAGES; i++)
		if (stages & STAGE(i) && !node_begin_stage(node, i))
			return;
}

static bool node_is_live(const struct node *node)
{
	return node && node->generation == node->views->generation;
}

/* It may be taken for any output from now on. What it takes along for outputs of its own is not live. */
static void node_let_go(struct node *node)
{
	struct views *views = node->views;
	for (int i = 0; i < STAGES; i++) {
		struct stage *stage = node->active & STAGE(i) ? node->stages[i] : NULL;
		for (unsigned left = stage ? stage->live : 0; left; left &= left - 1)
			node_let_go(stage->outputs[lowest(left)]);
	}
	node_stop(node);
	node->stage->outputs[node->index] = NULL;
	node->stage->live &= ~(1u << node->index);
	node->generation = 0;
	views->live_count--;
	node->parent = views->spare;
	views->spare = node;
}

/* Runs that are over have nothing to say any more: should another one come, their nodes begin anew. */
static void views_shed(struct views *views)
{
	for (size_t i = 1; i < views->node_count; i++) {
		struct node *node = views->nodes[i];
		if (node_is_live(node) && node->stage->kind->between && !node->busy && node->gathered == 0 &&
			node->settled == node->fed)
			node_let_go(node);
	}
}

/* Which of an output's views are worth it where the node stands. */
static unsigned stages_for(const struct node *node, const struct stage_output *output)
{
	unsigned stages = output->view == VIEW_CONTENT ? node->views->content_stages : output->stages;
	if (node->depth >= VIEWS_DEPTH)
		stages &= ~(STAGE(STAGE_RUNS) | STAGE(STAGE_UNPACK));
	/* What comes back is read as it stands: the quotation marks round a text say whose it is. */
	if (node->joins > 1 || node->views->part == SCAN_RESPONSE)
		stages &= ~STAGE(STAGE_JSON);
	return stages;
}

static struct node *stage_output_node(struct stage *stage, unsigned index)
{
	const struct stage_output *output = &stage->kind->outputs[index];
	struct node *node = stage->outputs[index], *parent = stage->node;
	struct views *views = parent->views;
	if (stage->live >> index & 1)
		return node;
	if (views->live_count == VIEWS_NODES)
		views_shed(views);
	if (views->live_count == VIEWS_NODES) {
		views_fail(views, "too many encodings stand inside one another");
		return NULL;
	}
	if (!node)
		node = stage->outputs[index] = node_new(views);
	if (!node)
		return NULL;
	views->live_count++;
	stage->live |= 1u << index;
	node->parent = parent;
	node->stage = stage;
	node->index = index;
	node->view = output->view;
	node->depth = parent->depth + output->deeper;
	node->joins = parent->joins + output->joined;
	node->quiet = output->quiet;
	node->silent = output->silent;
	node_begin(node, stages_for(node, output));
	marks_add(&node->marks, stage->complete, 0, 0, 0);
	return node;
}

static void stage_end_step(struct stage *stage, bool last);

/* ---- text on its way to a node */

/* It differs from its parent's from here on: rules are held against it, too, from a little further back. */
static void node_speak_up(struct node *node)
{
	node->silent = false;
	node->lane_from = node->fed - node->kept;
	if (node->lane_from > 0 && node_begin_lane(node)) {
		/* What is kept begins no text: positions are counted as if an octet stood before it. */
		node->lane.first--;
		node->lane_from--;
	}
	node_search(node, (struct span){node->gather, node->kept}, false);
}

static void node_stay_silent(struct node *node)
{
	size_t keep = node->gathered < NODE_KEPT ? node->gathered : NODE_KEPT;
	memmove(node->gather, node->gather + node->gathered - keep, keep);
	node->gathered = node->kept = keep;
}

/* Hand on what was gathered. */
static void node_flush(struct node *node, bool last)
{
	const struct stage *stage = node->stage;
	if (node->silent && stage->kind->differs(stage))
		node_speak_up(node);
	struct span news = {node->gather + node->kept, node->gathered - node->kept};
	if (!node->silent)
		node->gathered = node->kept = 0;
	if (news.n > 0 || last)
		node_take(node, news, last);
	if (node->silent)
		node_stay_silent(node);
}

static void node_gather(struct node *node, struct span octets)
{
	while (octets.n > 0 && !node->views->failure) {
		if (node->gathered == NODE_GATHER)
			node_flush(node, false);
		size_t room = NODE_GATHER - node->gathered, n = octets.n < room ? octets.n : room;
		memcpy(node->gather + node->gathered, octets.p, n);
		node->gathered += n;
		if (node->gathered > node->gather_dirty)
			node->gather_dirty = node->gathered;
		octets.p += n;
		octets.n -= n;
	}
}

/* One of a node's texts has ended. A second line end sees to it that what is encoded in it has, too: then all
 * that it could hold is known. */
static void node_settle(struct node *node)
{
	node_gather(node, SPAN(VIEW_BREAK));
	node_flush(node, false);
	for (int i = 0; i < STAGES && !node->views->failure; i++) {
		struct stage *stage = node->active & STAGE(i) ? node->stages[i] : NULL;
		if (!stage || !stage->kind->settle)
			continue;
		stage->kind->settle(stage);
		stage_end_step(stage, false);
	}
	node->settled = node->fed;
}

void stage_emit(struct stage *stage, unsigned index, struct span octets)
{
	if (stage->kind->outputs[index].dropped || octets.n == 0 || stage->node->views->failure)
		return;
	struct node *node = stage_output_node(stage, index);
	if (!node)
		return;
	node_gather(node, octets);
	bool ends = stage->kind->between && octets.p[octets.n - 1] == VIEW_BREAK[0];
	if (ends && stage->kind->between(stage, index))
		node_settle(node);
}

/* ---- a node's text */

static void stage_end_step(struct stage *stage, bool last)
{
	uint64_t (*reach)(const struct stage *) = stage->kind->reach ? stage->kind->reach : stage->kind->lag;
	uint64_t lag = last ? 0 : reach(stage);
	stage->complete = stage->used > lag ? stage->used - lag : 0;
	/* While one is flushed, others may be let go. */
	for (unsigned left = stage->live; left; left &= (left - 1) & stage->live) {
		struct node *node = stage->outputs[lowest(left)];
		node_flush(node, last);
		marks_add(&node->marks, stage->used, lag, node->fed, node->safe);
	}
}

static void stage_take(struct stage *stage, struct span octets, bool last)
{
	const struct views *views = stage->node->views;
	do {
		struct span step = {octets.p, octets.n < views->step ? octets.n : (size_t)views->step};
		octets.p += step.n;
		octets.n -= step.n;
		stage->used += step.n;
		stage->kind->feed(stage, step, last && octets.n == 0);
		stage_count(stage);
		stage_end_step(stage, last && octets.n == 0);
	} while (octets.n > 0 && !views->failure);
}

static void node_take(struct node *node, struct span octets, bool last)
{
	node->fed += octets.n;
	node->busy = true;
	if (!node->quiet && !node->silent)
		node_search(node, octets, last);
	for (unsigned left = node->active; left && !node->views->failure; left &= left - 1)
		stage_take(node->stages[lowest(left)], octets, last);
	node->busy = false;
}

/* ---- what may leave */

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t node_safe(struct node *node);

/* Up to where in the stage's text all is done with in what it made. */
static uint64_t output_safe(const struct stage *stage, struct node *node)
{
	uint64_t safe = node_safe(node);
	bool same = stage->kind->differs && !stage->kind->differs(stage);
	return same ? safe : marks_safe(&node->marks, safe);
}

/* What a stage has not made up its mind about, or what was made of it, may hold the text back. Joined values
 * don't: any value may be the first one of many, and when the last one comes it stays here. Nor, when it has
 * to go on, does what may yet turn out to be encoded. */
static uint64_t stage_safe(const struct stage *stage)
{
	const struct views *views = stage->node->views;
	uint64_t lag = views->ended || views->prompt ? 0 : stage->kind->lag(stage);
	uint64_t safe = stage->used > lag ? stage->used - lag : 0;
	for (unsigned left = stage->live; left; left &= left - 1) {
		struct node *node = stage->outputs[lowest(left)];
		if (node->joins == 0 && !(views->prompt && (node->depth > 0 || node->view == VIEW_JOINED)))
			safe = least(safe, output_safe(stage, node));
	}
	return safe;
}

/* The last octets may begin a known value, unless nothing follows or they have to go on. */
static uint64_t known_safe(const struct node *node)
{
	const struct views *views = node->views;
	uint64_t lag = views->ended || views->prompt ? 0 : known_lag(&node->known);
	return node->known_from + node->known.fed - lag;
}

static uint64_t node_safe(struct node *node)
{
	uint64_t safe = node->fed;
	if (node->lane_begun)
		safe = least(safe, node->lane_from + lane_safe(&node->lane));
	if (node->lane_begun && node->views->known)
		safe = least(safe, known_safe(node));
	for (int i = 0; i < STAGES; i++)
		if (node->active & STAGE(i))
			safe = least(safe, stage_safe(node->stages[i]));
	safe = safe > node->settled ? safe : node->settled;
	node->safe = safe > node->safe ? safe : node->safe;
	return node->safe;
}

uint64_t views_safe(struct views *views, bool prompt)
{
	views->prompt = prompt;
	return node_safe(views->root);
}

/* ---- the tree */

struct views *views_new(const struct scanner *scanner)
{
	struct views *views = calloc(1, sizeof(*views));
	if (!views)
		return NULL;
	views->scanner = scanner;
	views->root = node_new(views);
	if (views->root)
		return views;
	views_free(views);
	return NULL;
}

void views_free(struct views *views)
{
	if (!views)
		return;
	for (size_t i = 0; i < views->node_count; i++)
		node_free(views->nodes[i]);
	free(views);
}

void views_end(struct views *views)
{
	for (size_t i = 0; i < views->node_count; i++)
		if (views->nodes[i]->dirty)
			node_wipe(views->nodes[i]);
	explicit_bzero(views->content_type, views->content_type_size);
	views->generation++;
	if (views->node_count <= VIEWS_KEPT)
		return;
	/* The text itself stays, and begins again with nothing made of it. */
	for (size_t i = 1; i < views->node_count; i++)
		node_free(views->nodes[i]);
	views->node_count = 1;
	views->spare = NULL;
	for (int i = 0; i < STAGES; i++)
		if (views->root->stages[i])
			memset(views->root->stages[i]->outputs, 0, sizeof(views->root->stages[i]->outputs));
}

static bool content_type_is(struct span content_type, struct span type)
{
	return content_type.n >= type.n && span_equals_nocase((struct span){content_type.p, type.n}, type) &&
	       (content_type.n == type.n || content_type.p[type.n] == ';' || content_type.p[type.n] == ' ' ||
		       content_type.p[type.n] == '\t');
}

/* The views of a body whose content codings are off. What it says it is adds views, and takes none away. */
static unsigned body_stages(struct span content_type)
{
	unsigned stages = STAGE(STAGE_STRINGS) | STAGE(STAGE_PARTS) | STAGE(STAGE_UNPACK);
	if (content_type_is(content_type, SPAN("application/x-www-form-urlencoded")))
		stages |= STAGE(STAGE_FORM);
	if (content_type_is(content_type, SPAN("text/event-stream")))
		stages |= STAGE(STAGE_EVENTS);
	return stages;
}

bool views_begin(struct views *views, const struct views_text *text)
{
	struct node *root = views->root;
	views_end(views);
	views->part = text->part;
	views->target = text->target;
	views->known = scanner_known(views->scanner, text->part);
	views->step = text->step;
	views->work = views->unpacked = 0;
	views->budget = SCAN_BUDGET_BASE;
	views->failure = NULL;
	views->added = views->only_ask = views->would_add = views->ended = false;
	views->live_count = 1;
	views->coding_count = text->coding_count;
	for (size_t i = 0; i < text->coding_count; i++)
		views->codings[i] = text->codings[i];
	if (text->content_type.n > VIEWS_CONTENT_TYPE)
		views_fail(views, "its Content-Type is too long");
	else if (text->content_type.n > 0)
		memcpy(views->content_type, text->content_type.p, text->content_type.n);
	views->content_type_size = views->failure ? 0 : text->content_type.n;
	views->content_stages = text->is_line ? STAGE(STAGE_PLAIN) : body_stages(text->content_type);
	root->view = VIEW_RAW;
	root->quiet = text->is_line;
	root->joins = text->is_joined;
	node_begin(root, text->coding_count > 0 ? STAGE(STAGE_DECODE) : views->content_stages);
	return !views->failure;
}

bool views_feed(struct views *views, struct span octets, bool last, struct findings *out)
{
	views->out = out;
	views->added = false;
	views->budget += SCAN_BUDGET_FEED + SCAN_BUDGET_OCTET * (uint64_t)octets.n;
	if (!views->failure)
		node_take(views->root, octets, last);
	views->ended |= last;
	views->out = NULL;
	return !views->failure;
}

const char *views_failure(const struct views *views)
{
	return views->failure;
}

bool views_added(const struct views *views)
{
	return views->added;
}

void views_only_ask(struct views *views, bool on)
{
	views->only_ask = on;
}

bool views_would_add(const struct views *views)
{
	return views->would_add;
}

size_t views_memory(const struct views *views)
{
	return views->memory;
}

uint64_t views_scanned(const struct views *views)
{
	const struct node *root = views->root;
	if (views->coding_count == 0)
		return root->fed;
	const struct node *content = root->stages[STAGE_DECODE]->outputs[0];
	return node_is_live(content) ? content->fed : 0;
}
