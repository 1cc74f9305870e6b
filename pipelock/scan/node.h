/*
 * The inside of a tree of views. views.c has the tree, stages.c what can be made of a node's text. Only these
 * two include it.
 */
#ifndef PIPELOCK_SCAN_NODE_H
#define PIPELOCK_SCAN_NODE_H

#include "pipelock/scan/lane.h"
#include "pipelock/scan/marks.h"
#include "pipelock/scan/runs.h"
#include "pipelock/scan/views.h"

/* Encodings that stand inside one another are undone to this depth. */
#define VIEWS_DEPTH 3u
/* Nodes of one text at a time, some 60 KiB each. Numbers and identifiers decode to something in many ways,
 * but what is over is let go; more than this can't come from anything but an attack. */
#define VIEWS_NODES 256u
/* Nodes that are kept for the next text. */
#define VIEWS_KEPT 64u
/* Octets that may be unpacked without a label: of a tree, and more for each octet of the text. Packed once
 * more, a bomb of 1 MB would be a terabyte. */
#define VIEWS_UNPACKED (16u << 20)
#define VIEWS_UNPACKED_RATIO 100u
/* Of a Content-Type field's value. */
#define VIEWS_CONTENT_TYPE 1024u
#define NODE_GATHER 4096u
/* Of a text that goes on as its parent's: what is kept, should it begin to differ. */
#define NODE_KEPT 1024u

enum stage_index {
	STAGE_DECODE,
	STAGE_PLAIN,
	STAGE_RUNS,
	STAGE_STRINGS,
	STAGE_JSON,
	STAGE_FORM,
	STAGE_EVENTS,
	STAGE_PARTS,
	STAGE_UNPACK,
	STAGES
};
#define STAGE(index) (1u << (index))
#define NODE_TEXT STAGE(STAGES)

struct node;
struct stage;

/* What becomes of one output of a stage. */
struct stage_output {
	enum scan_view view;
	unsigned stages; /* views of it */
	bool dropped;	 /* nobody looks at it */
	bool deeper;	 /* an encoding was undone */
	bool joined;	 /* pieces of different values */
	bool quiet;	 /* a part of the parent's text: rules were held against it already */
	bool silent;	 /* the parent's text until it begins to differ */
};

struct stage_kind {
	size_t size;	   /* of its state */
	size_t wiped_size; /* of it what may hold a text between two calls; the rest it wipes itself */
	size_t output_count;
	const struct stage_output *outputs;
	void (*init)(struct stage *stage);
	void (*feed)(struct stage *stage, struct span octets, bool last);
	uint64_t (*lag)(const struct stage *stage); /* octets that are undecided */
	/* Octets back that what comes out next may come from; NULL: as many as lag() says. */
	uint64_t (*reach)(const struct stage *stage);
	bool (*differs)(const struct stage *stage); /* for a silent output */
	/* Its outputs are many texts, with VIEW_BREAK behind each: is this one between two of them? Else
	 * NULL. */
	bool (*between)(const struct stage *stage, unsigned output);
	void (*settle)(
		struct stage *stage); /* the text has ended, another one begins; NULL: a blank line says so */
	void (*release)(struct stage *stage);	     /* what init and feed took; may be NULL */
	size_t (*memory)(const struct stage *stage); /* octets of that; NULL: none */
};
extern const struct stage_kind *const stage_kinds[STAGES];

struct stage {
	const struct stage_kind *kind;
	struct node *node; /* whose text it reads */
	uint64_t used;	   /* octets of it */
	uint64_t complete; /* of them those that all was made of */
	size_t memory;	   /* beside its state */
	unsigned live;	   /* a bit for each output that has a node in this text */
	struct node *outputs[RUNS_TRACKS];
	max_align_t state[];
};

struct node {
	struct views *views;
	struct node *parent; /* NULL: the text itself */
	struct stage *stage; /* that it comes from */
	unsigned index;	     /* which output of it */
	uint64_t generation; /* of the text that it belongs to */
	enum scan_view view;
	unsigned depth, joins;
	bool quiet, silent;
	bool busy;	 /* a call is in the middle of its text */
	unsigned active; /* stages */
	unsigned dirty;	 /* stages that hold octets of this text, and NODE_TEXT */
	uint64_t fed;	 /* octets of its text */
	struct marks marks;
	bool has_lane, lane_begun;
	struct lane lane;
	size_t lane_memory;
	uint64_t lane_from;	    /* where in the text it begins */
	struct known_matcher known; /* goes along with the lane */
	uint64_t known_from;
	uint64_t safe;	  /* as it was last answered */
	uint64_t settled; /* octets before the last break: nothing that follows goes on with them */
	size_t gathered, kept;
	size_t memory;	     /* all of it */
	size_t gather_dirty; /* octets of `gather` that may hold a text */
	char gather[NODE_GATHER];
	struct stage *stages[STAGES];
};

struct views {
	const struct scanner *scanner;
	struct node *root;
	struct node *nodes[VIEWS_NODES + VIEWS_KEPT]; /* owned; [0] is root */
	size_t node_count;
	struct node *spare; /* let go, and linked by their parents */
	size_t live_count;  /* of this text */
	uint64_t generation;
	enum scan_part part;
	const struct scan_target *target;
	const struct known_set *known; /* to look for; NULL: none */
	uint64_t step;
	uint64_t work, budget;
	uint64_t unpacked;    /* octets that no label announced */
	size_t memory;	      /* of all nodes */
	struct findings *out; /* of the call in progress */
	const char *failure;
	bool added, only_ask, would_add;
	bool ended, prompt;
	/* of the text itself */
	enum coding codings[DECODE_MAX_CHAIN];
	size_t coding_count;
	unsigned content_stages; /* with the content codings off */
	char content_type[VIEWS_CONTENT_TYPE];
	size_t content_type_size;
};

/* Octets were decoded: they may cost as much as if they had come so. */
void views_grant(struct views *views, size_t octets);
/* They were unpacked without a label: only so many may be, in the whole tree. */
void views_grant_unpacked(struct views *views, size_t octets);
/* Something was done that costs more than its octets. */
void views_charge(struct views *views, uint64_t work);

/* The text can't be scanned as a whole, for this reason (static). The first one stays. */
void views_fail(struct views *views, const char *why);

/* More of an output's text. */
void stage_emit(struct stage *stage, unsigned output, struct span octets);

static inline void *stage_state(struct stage *stage)
{
	return stage->state;
}

#endif
