// cqlua in a C++ program, on libev or on libuv: the same callbacks, one line apart.
//
//   hello_cc libev|libuv [CONTACT_POINT]
#include <ev.h>
#include <uv.h>

#include <cqlua.h>
#include <cqlua/libev.h>
#include <cqlua/libuv.h>
#include <iostream>
#include <memory>
#include <string>
#include <string_view>

namespace {

struct loop_end {
    void operator()(cqlua_loop *loop) const { cqlua_loop_free(loop); }
};
struct session_end {
    void operator()(cqlua_session *db) const { cqlua_session_free(db); }
};
using loop_ptr = std::unique_ptr<cqlua_loop, loop_end>;
using session_ptr = std::unique_ptr<cqlua_session, session_end>;

std::string_view text(const cqlua_slice &slice) { return {static_cast<const char *>(slice.base), slice.len}; }

// Callbacks are functions with C's linkage; what belongs to the question goes through `arg`.
extern "C" void on_version(void *arg, const cqlua_result *res, const cqlua_error *err)
{
    if (err != nullptr) {
        std::cerr << err->name << ": " << err->message << '\n';
    } else {
        cqlua_slice version;
        for (cqlua_rows row = cqlua_result_rows(res); cqlua_rows_next(&row);)
            if (cqlua_row_text(&row, 0, &version) == 0) std::cout << "Cassandra " << text(version) << '\n';
    }
    cqlua_session_close(static_cast<cqlua_session *>(arg), 1000);
}

session_ptr ask(cqlua_loop *loop, const char *contact_point)
{
    cqlua_options options;
    cqlua_session *db = nullptr;
    cqlua_statement statement;
    cqlua_options_init(&options);
    if (contact_point != nullptr) options.contact_points = contact_point;
    if (cqlua_session_open(&db, &options, loop, nullptr, nullptr) < 0) return nullptr;
    cqlua_statement_init_text(&statement, "SELECT release_version FROM system.local");
    cqlua_execute(db, &statement, on_version, db); // waits for the connection
    cqlua_statement_dispose(&statement);
    return session_ptr(db);
}

int on_libev(const char *contact_point)
{
    struct ev_loop *ev = EV_DEFAULT;
    loop_ptr loop(cqlua_libev(ev));
    session_ptr db = ask(loop.get(), contact_point);
    return ev_run(ev, 0); // returns once the session has closed
}

int on_libuv(const char *contact_point)
{
    uv_loop_t *uv = uv_default_loop();
    {
        loop_ptr loop(cqlua_libuv(uv));
        session_ptr db = ask(loop.get(), contact_point);
        uv_run(uv, UV_RUN_DEFAULT);
    }
    uv_run(uv, UV_RUN_DEFAULT); // libuv closes handles in a turn
    return uv_loop_close(uv);
}

} // namespace

int main(int argc, char **argv)
{
    const char *contact_point = argc > 2 ? argv[2] : nullptr;
    const std::string host = argc > 1 ? argv[1] : "libev";
    return host == "libuv" ? on_libuv(contact_point) : on_libev(contact_point);
}
