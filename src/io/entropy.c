#include "io/entropy.h"

#include <cqlua.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#if defined(__linux__)
#include <sys/random.h>
#endif

/* How many bytes the system call gave, 0 where there is none. */
static size_t from_call(uint8_t *out, size_t len)
{
    size_t got = 0;
#if defined(__linux__)
    while (got < len) {
        ssize_t n = getrandom(out + got, len - got, 0);
        if (n > 0) got += (size_t)n;
        else if (n == 0 || errno != EINTR) break;
    }
#else
    (void)out;
    (void)len;
#endif
    return got;
}

/* The same from the device, for kernels and sandboxes without the call. */
static size_t from_device(uint8_t *out, size_t len)
{
    size_t got = 0;
    int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    while (got < len) {
        ssize_t n = read(fd, out + got, len - got);
        if (n > 0) got += (size_t)n;
        else if (n == 0 || errno != EINTR) break;
    }
    close(fd);
    return got;
}

int entropy_fill(void *out, size_t len)
{
    size_t got = from_call(out, len);
    if (got < len) got += from_device((uint8_t *)out + got, len - got);
    return got == len ? 0 : CQLUA_EMISUSE;
}
