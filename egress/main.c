/*
 * egress: the second program. It brings what pipelock has let pass to its origin, over the hop on loopback,
 * and knows nothing of rules. Started by pipelock's supervisor alone.
 */
#include "common/role.h"
#include "egress/service.h"

int main(void)
{
	role_enter("egress",
		1u << ROLE_FD_CONTROL | 1u << ROLE_FD_KEEPER | 1u << ROLE_FD_HEALTH | 1u << ROLE_FD_LISTENER);
	return service_run();
}
