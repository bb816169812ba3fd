#include "cluster/address_filter.h"

/* --- reading lists --------------------------------------------------------------------------------------------------------- */

static struct cqlua_address unmapped(const struct cqlua_address *address)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    if (address->len != 16 || memcmp(address->bytes, mapped, sizeof mapped) != 0) return *address;
    struct cqlua_address v4 = {.len = 4, .port = address->port};
    memcpy(v4.bytes, address->bytes + 12, 4);
    return v4;
}

/* The number behind a slash, 0 to max. */
static bool parse_bits(const char *at, uint32_t max, uint8_t *bits)
{
    uint32_t value = 0;
    if (*at == '\0' || strlen(at) > 3 || strspn(at, "0123456789") != strlen(at)) return false;
    for (; *at != '\0'; at++) value = value * 10 + (uint32_t)(*at - '0');
    *bits = (uint8_t)value;
    return value <= max;
}

/* "10.0.0.0/8": an entry with a slash. `text` is cut there. */
static bool parse_network(char *text, char *slash, struct filter_range *range)
{
    *slash = '\0';
    if (!address_parse(text, 0, &range->base)) return false;
    uint8_t len = range->base.len;
    if (!parse_bits(slash + 1, len * 8, &range->bits)) return false;
    range->base = unmapped(&range->base);
    if (range->base.len == len) return true;
    if (range->bits < 96) return false; /* more than all IPv4 addresses, but not all IPv6 ones */
    range->bits = (uint8_t)(range->bits - 96);
    return true;
}

/* "10.0.0.1", "10.0.0.1:9042", "[::1]:9042": as contact points are written, but never a name. */
static bool parse_address(const char *text, struct filter_range *range)
{
    struct contact_point point;
    if (contact_point_next(&text, 0, &point) != 1 || !address_parse(point.host, point.port, &range->base)) return false;
    range->base = unmapped(&range->base);
    range->bits = (uint8_t)(range->base.len * 8);
    return true;
}

/* The next entry of a list: 1, 0 at the end, or MISUSE (*list is left at it). */
static int next_range(const char **list, struct filter_range *range)
{
    char text[ADDRESS_TEXT];
    const char *at = *list + strspn(*list, " ,\t\n");
    size_t len = strcspn(at, " ,\t\n");
    *list = at;
    if (len == 0) return 0;
    if (len >= sizeof text) return CQLUA_EMISUSE;
    memcpy(text, at, len);
    text[len] = '\0';
    char *slash = strchr(text, '/');
    if (slash == NULL ? !parse_address(text, range) : !parse_network(text, slash, range)) return CQLUA_EMISUSE;
    *list = at + len;
    return 1;
}

static int add_range(struct address_filter *filter, struct filter_list *list, const struct filter_range *range)
{
    if (list->count == LIMIT_FILTER_RANGES) return CQLUA_EMISUSE;
    if (list->count == list->capacity) {
        uint32_t capacity = list->capacity == 0 ? 8 : list->capacity * 2;
        struct filter_range *ranges = memory_resize(filter->memory, list->ranges, list->capacity * sizeof *ranges,
                                                    capacity * sizeof *ranges);
        if (ranges == NULL) return CQLUA_ENO_MEMORY;
        list->ranges = ranges;
        list->capacity = capacity;
    }
    list->ranges[list->count++] = *range;
    return 0;
}

static int add_list(struct address_filter *filter, struct filter_list *list, const char *text, const char **at)
{
    struct filter_range range;
    int rc;
    while ((rc = next_range(&text, &range)) == 1) {
        rc = add_range(filter, list, &range);
        if (rc != 0) break;
    }
    if (at != NULL) *at = text;
    return rc;
}

int address_filter_allow(struct address_filter *filter, const char *list, const char **at)
{
    return add_list(filter, &filter->allow, list, at);
}

int address_filter_deny(struct address_filter *filter, const char *list, const char **at)
{
    return add_list(filter, &filter->deny, list, at);
}

void address_filter_init(struct address_filter *filter, struct memory *memory)
{
    *filter = (struct address_filter){.memory = memory};
}

static void free_list(struct address_filter *filter, struct filter_list *list)
{
    memory_free(filter->memory, list->ranges, list->capacity * sizeof *list->ranges);
}

void address_filter_dispose(struct address_filter *filter)
{
    free_list(filter, &filter->allow);
    free_list(filter, &filter->deny);
    address_filter_init(filter, filter->memory);
}

/* --- comparing ------------------------------------------------------------------------------------------------------------- */

static bool is_in_range(const struct filter_range *range, const struct cqlua_address *address)
{
    if (range->base.len != address->len || (range->base.port != 0 && range->base.port != address->port)) return false;
    size_t whole = range->bits / 8, rest = range->bits % 8;
    if (memcmp(range->base.bytes, address->bytes, whole) != 0) return false;
    return rest == 0 || (range->base.bytes[whole] ^ address->bytes[whole]) >> (8 - rest) == 0;
}

static bool is_in_list(const struct filter_list *list, const struct cqlua_address *address)
{
    for (uint32_t i = 0; i < list->count; i++)
        if (is_in_range(&list->ranges[i], address)) return true;
    return false;
}

bool address_filter_passes(const struct address_filter *filter, const struct cqlua_address *address)
{
    struct cqlua_address plain = unmapped(address);
    if (is_in_list(&filter->deny, &plain)) return false;
    return filter->allow.count == 0 || is_in_list(&filter->allow, &plain);
}
