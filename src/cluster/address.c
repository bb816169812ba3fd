#include "cluster/address.h"

#include <arpa/inet.h> /* inet_pton, inet_ntop: text only */
#include <stdio.h>
#include <string.h>

void address_text(const struct cqlua_address *address, char text[ADDRESS_TEXT])
{
    char host[INET6_ADDRSTRLEN] = "?";
    inet_ntop(address->len == 4 ? AF_INET : AF_INET6, address->bytes, host, sizeof host);
    snprintf(text, ADDRESS_TEXT, address->len == 4 ? "%s:%u" : "[%s]:%u", host, address->port);
}

void address_host(const struct cqlua_address *address, char text[ADDRESS_TEXT])
{
    if (inet_ntop(address->len == 4 ? AF_INET : AF_INET6, address->bytes, text, ADDRESS_TEXT) == NULL) text[0] = '\0';
}

bool address_equal(const struct cqlua_address *a, const struct cqlua_address *b)
{
    return a->len == b->len && a->port == b->port && a->scope_id == b->scope_id && memcmp(a->bytes, b->bytes, a->len) == 0;
}

bool address_is_loopback(const struct cqlua_address *address)
{
    static const uint8_t v6[16] = {[15] = 1}, mapped[12] = {[10] = 0xff, [11] = 0xff};
    if (address->len == 4) return address->bytes[0] == 127;
    return memcmp(address->bytes, v6, 16) == 0 || (memcmp(address->bytes, mapped, 12) == 0 && address->bytes[12] == 127);
}

bool address_parse(const char *text, uint16_t port, struct cqlua_address *address)
{
    *address = (struct cqlua_address){.port = port};
    if (inet_pton(AF_INET, text, address->bytes) == 1) address->len = 4;
    else if (inet_pton(AF_INET6, text, address->bytes) == 1) address->len = 16;
    return address->len != 0;
}

static bool parse_port(const char *at, const char *end, uint16_t *port)
{
    uint32_t value = 0;
    if (at == end) return false;
    for (; at < end; at++) {
        if (*at < '0' || *at > '9' || value > 6553) return false;
        value = value * 10 + (uint32_t)(*at - '0');
    }
    *port = (uint16_t)value;
    return value > 0 && value <= 65535;
}

/* Splits one entry, [at, end) without blanks, into host and port. */
static bool parse_point(const char *at, const char *end, struct contact_point *point)
{
    const char *host = at, *host_end = end, *port = NULL;
    if (*at == '[') {
        host = at + 1;
        host_end = memchr(host, ']', (size_t)(end - host));
        if (host_end == NULL) return false;
        if (host_end + 1 < end) port = host_end + 1;
        if (port != NULL && *port++ != ':') return false;
    } else {
        const char *colon = memchr(at, ':', (size_t)(end - at));
        bool is_v6 = colon != NULL && memchr(colon + 1, ':', (size_t)(end - colon - 1)) != NULL;
        if (colon != NULL && !is_v6) {
            host_end = colon;
            port = colon + 1;
        }
    }
    size_t len = (size_t)(host_end - host);
    if (len == 0 || len >= sizeof point->host) return false;
    memcpy(point->host, host, len);
    point->host[len] = '\0';
    if (strcspn(point->host, " \t\r\n[]/") != len) return false; /* a comma is missing, or it is an URL */
    return port == NULL || parse_port(port, end, &point->port);
}

int contact_point_next(const char **list, uint16_t default_port, struct contact_point *point)
{
    const char *at = *list + strspn(*list, " ,\t\n");
    if (*at == '\0') return 0;
    size_t len = strcspn(at, ",");
    const char *end = at + len;
    while (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\n') end--;
    *list = at;
    point->port = default_port;
    if (!parse_point(at, end, point)) return CQLUA_EMISUSE;
    *list = at + len;
    return 1;
}
