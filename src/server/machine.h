// SPDX-License-Identifier: MIT
// What this process may use of the machine it runs on.
#ifndef CLAIRON_SERVER_MACHINE_H
#define CLAIRON_SERVER_MACHINE_H

unsigned machine_cores(unsigned most); // it may run on; 1 to `most`
void machine_raise_descriptors(void);  // the soft limit to the hard one

#endif
