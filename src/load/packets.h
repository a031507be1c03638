// SPDX-License-Identifier: MIT
// Packets of Engine.IO and Socket.IO as a client of a load test reads them: their kinds alone, by
// their first two characters. Bodies of polling have them one after the other and come in pieces; a
// message of a WebSocket is one. wire/engineio.h is the decoder that trusts nobody. Pure.
#ifndef CLAIRON_LOAD_PACKETS_H
#define CLAIRON_LOAD_PACKETS_H

#include <stdint.h>

#include "base/str.h"

enum packet {
    PACKET_END, // of the piece: there is none
    PACKET_OPEN,
    PACKET_CLOSE,
    PACKET_PING,
    PACKET_CONNECT,
    PACKET_DISCONNECT,
    PACKET_EVENT,
    PACKET_ACK,
    PACKET_CONNECT_ERROR,
    PACKET_OTHER,
};

// Where the reading stands; zeros at the beginning of a body or a message.
struct packets {
    uint8_t at;
};

// The next packet of which enough has come; what was used of the piece is cut off.
enum packet packets_next(struct packets *p, struct str *piece);

#endif
