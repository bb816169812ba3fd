#include "base/failure.h"

#include <stdarg.h>
#include <stdio.h>

void failure_set(struct failure *failure, int code, const char *format, ...)
{
    failure->code = code;
    failure->server_code = -1;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(failure->text, sizeof failure->text, format, arguments);
    va_end(arguments);
}
