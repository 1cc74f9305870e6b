/*
 * When the table is full, marks that nobody needs again go; then every second one does. The first one that
 * still answers stays.
 */
#include "pipelock/scan/marks.h"

#include <string.h>

static void thin(struct marks *marks, uint64_t floor)
{
	size_t drop = 0, kept = 0;
	while (drop + 1 < marks->count && marks->at[drop + 1].produced <= floor)
		drop++;
	marks->count -= drop;
	memmove(marks->at, marks->at + drop, marks->count * sizeof(marks->at[0]));
	if (marks->count < MARKS_MAX)
		return;
	for (size_t i = 0; i < marks->count; i += 2)
		marks->at[kept++] = marks->at[i];
	marks->count = kept;
}

void marks_add(struct marks *marks, uint64_t used, uint64_t lag, uint64_t produced, uint64_t floor)
{
	struct mark mark = {used > lag ? used - lag : 0, used, produced};
	struct mark *last = marks->count ? &marks->at[marks->count - 1] : NULL;
	if (last && last->produced == produced) {
		last->complete = mark.complete;
		return;
	}
	if (marks->count == MARKS_MAX)
		thin(marks, floor);
	marks->at[marks->count++] = mark;
}

uint64_t marks_safe(const struct marks *marks, uint64_t produced)
{
	uint64_t safe = 0;
	for (size_t i = 0; i < marks->count && marks->at[i].produced <= produced; i++)
		safe = marks->at[i].complete > safe ? marks->at[i].complete : safe;
	return safe;
}

void marks_extent(const struct marks *marks, uint64_t used, uint64_t *begin, uint64_t *end)
{
	uint64_t from = 0, to = used;
	for (size_t i = 0; i < marks->count && marks->at[i].produced <= *begin; i++)
		from = marks->at[i].complete;
	for (size_t i = marks->count; i-- > 0 && marks->at[i].produced >= *end;)
		to = marks->at[i].used;
	*begin = from;
	*end = to > from ? to : from;
}
