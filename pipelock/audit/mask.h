/*
 * Masks in a URL what the rules matched, before it is written anywhere. Pure. See audit_url_mask() in
 * event.h.
 */
#ifndef PIPELOCK_AUDIT_MASK_H
#define PIPELOCK_AUDIT_MASK_H

#include "pipelock/scan/scan.h"

/* Does a match touch the authority of the URL? Then the host must not be told either. */
bool audit_mask_covers_host(struct span url, const struct findings *findings);

#endif
