// SPDX-License-Identifier: MIT
// Packets of Engine.IO and Socket.IO as a client of a load test reads them.
#include "load/packets.h"

#include <stddef.h>

#include "wire/engineio.h"

enum { AT_TYPE, AT_MESSAGE, INSIDE }; // AT_MESSAGE: behind the type of a message, which has its own

static enum packet outer(char c)
{
    switch (c) {
    case '0':
        return PACKET_OPEN;
    case '1':
        return PACKET_CLOSE;
    case '2':
        return PACKET_PING;
    default:
        return PACKET_OTHER;
    }
}

static enum packet inner(char c)
{
    switch (c) {
    case '0':
        return PACKET_CONNECT;
    case '1':
        return PACKET_DISCONNECT;
    case '2':
    case '5':
        return PACKET_EVENT;
    case '3':
    case '6':
        return PACKET_ACK;
    case '4':
        return PACKET_CONNECT_ERROR;
    default:
        return PACKET_OTHER;
    }
}

enum packet packets_next(struct packets *p, struct str *piece)
{
    while (piece->len > 0) {
        if (p->at == INSIDE) {
            ptrdiff_t end = str_chr(*piece, ENGINEIO_SEPARATOR, 0);
            *piece = str_from(*piece, end < 0 ? piece->len : (size_t)end + 1);
            p->at = end < 0 ? INSIDE : AT_TYPE;
            continue;
        }
        char c = piece->p[0];
        bool message = p->at == AT_MESSAGE;
        *piece = str_from(*piece, 1);
        if (c == ENGINEIO_SEPARATOR) {
            p->at = AT_TYPE;
        } else if (!message && c == '4') {
            p->at = AT_MESSAGE;
        } else {
            p->at = INSIDE;
            return message ? inner(c) : outer(c);
        }
    }
    return PACKET_END;
}
