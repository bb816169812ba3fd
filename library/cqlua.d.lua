---@meta cqlua

-- Annotations (LuaLS, EmmyLua) of all that this version has. `nil, err` is returned for what data, servers and networks cause;
-- misuse raises.

---@class cqlua
---@field version string
---@field null lightuserdata CQL null; the same as ngx.null and cjson.null
---@field unset lightuserdata leaves a column as it is (not on protocol v3)
---@field auth cqlua.auth
local cqlua = {}

---@class cqlua.auth
local auth = {}

---A user name and a password. The password is never shown by tostring, pairs or an error.
---@param user string
---@param password string
---@return cqlua.auth.plain
function auth.plain(user, password) end

---@class cqlua.auth.plain

---Asked for user and password at each connection; may wait.
---@alias cqlua.auth.asked fun(node: string): string?, string?

---@class cqlua.auth.mechanism
---@field class string|string[] the server's authenticators that it is for: no other gets anything
---@field start fun(node: string, class: string): string?, any the first token, and the exchange's state; or nil, err
---@field challenge (fun(state: any, token: string?): string?, any)? the next token; or nil, err
---@field success (fun(state: any, token: string?): boolean?, any)? false refuses the server

---A SASL mechanism of your own. Its functions may wait.
---@param mechanism cqlua.auth.mechanism
---@return cqlua.auth.sasl
function auth.sasl(mechanism) end

---@class cqlua.auth.sasl

---@alias cqlua.log.level "error"|"warn"|"info"|"debug"

---@class cqlua.log.record
---@field level cqlua.log.level
---@field time number seconds since 1970
---@field node string? whom it is about
---@field message string one line of printable text
---@field suppressed integer records like it that were left out before it

---@alias cqlua.consistency
---| "any"
---| "one"
---| "two"
---| "three"
---| "quorum"
---| "all"
---| "local_quorum"
---| "each_quorum"
---| "local_one"

---@alias cqlua.serial_consistency "serial"|"local_serial"

---A bind value; tables for lists, sets, vectors, maps, tuples and UDTs. See docs/types.md.
---@alias cqlua.value string|number|boolean|integer|lightuserdata|cqlua.varint|cqlua.decimal|cqlua.duration|table

---A whole number of any size. Immutable; varints compare with == < <=, and join with ..
---@class cqlua.varint: userdata

---A decimal number of any size and scale. Immutable; decimals compare by number: 1.10 == 1.1.
---@class cqlua.decimal: userdata
---@field scale integer digits after the point; below 0 there are zeros before it
---@field unscaled string all digits: the number is unscaled * 10^-scale

---Months, days and nanoseconds, all of one sign or 0. Immutable; equal by its parts; without an order.
---@class cqlua.duration: userdata
---@field months integer
---@field days integer
---@field nanoseconds integer a number while that is exact, beyond 2^53 what cqlua.int64 gives

---@class cqlua.attempt
---@field node string?
---@field started number seconds, of the host's monotonic clock
---@field duration number seconds
---@field outcome string "ok", or the name of an error

---@class cqlua.error
---@field name string
---@field message string
---@field node string? the coordinator
---@field at string? "file:line", noted by cqlua.assert and by iterators
---@field attempts cqlua.attempt[]
---@field may_have_executed boolean
---@field retryable boolean
---@field code integer? the server's, verbatim
---@field consistency string?
---@field required integer?
---@field received integer?
---@field alive integer?
---@field failures integer?
---@field block_for integer?
---@field contentions integer?
---@field data_present boolean?
---@field write_type string?
---@field keyspace string?
---@field table string?
---@field function string?
---@field arg_types string?
---@field statement_id string?
---@field failure_map table<string, integer>? v5: the server's reasons by the address of the replica
---@field paging_state string? where a failed page resumes
---@field column string? the column of a value that does not fit
---@field index integer? of a batch: its entry, from 1

---Where a node is for this client: an address and, if it is another, a port; nothing: where the cluster says. nil and an error:
---it is not known. It may wait, but not for the session that asks.
---@alias cqlua.translate fun(address: string, port: integer, node: cqlua.node): string?, any

---@class cqlua.options.connect
---@field contact_points string[]? { "127.0.0.1" }; names or addresses, each with an optional :port
---@field local_dc string? whose nodes requests go to; that of the node reached first
---@field local_rack string? its nodes come first
---@field load_balancing { remote_dcs: boolean? }? whether requests may go to other data centres when no local node is up
---@field nodes { allow: string[]|string|nil, deny: string[]|string|nil }? addresses and networks that nodes may have
---@field discovery boolean? false: no other nodes than the contact points
---@field translate_address cqlua.translate|table<string, string>|nil where nodes that the cluster tells of are for this client
---@field port integer? 9042
---@field keyspace string?
---@field auth cqlua.auth.plain|cqlua.auth.sasl|cqlua.auth.asked|nil
---@field connect_timeout number? seconds; 10
---@field request_timeout number? seconds; 10 (30 for schema statements)
---@field attempt_timeout number? seconds; a third of request_timeout
---@field protocol_version integer? negotiated from the highest unless given
---@field consistency cqlua.consistency? "local_quorum"
---@field serial_consistency cqlua.serial_consistency?
---@field page_size integer? 5000
---@field bigint "int64"|"number"|"string"|nil
---@field nil_as "error"|"unset"|"null"|nil
---@field heartbeat number[]? { 10, 5 }: seconds of silence, seconds to answer
---@field reconnect number[]? { 1, 60 }: seconds, least and most
---@field connections integer[]? { 1, 4 } for each node
---@field max_retries integer? 3
---@field max_in_flight integer? 32767 for each connection
---@field max_queued integer? 131072
---@field max_prepared integer? 4096
---@field max_frame_bytes integer? 256 MiB
---@field max_result_bytes integer? of one page: a larger one is `frame_too_large`
---@field max_memory_bytes integer? 2 GiB, of all that the session holds: a larger answer is `frame_too_large`
---@field on_full "wait"|"fail"|nil "wait"
---@field allow_plaintext_auth boolean? a password may travel unencrypted beyond loopback
---@field paging_secret string? signs page tokens, so that nobody else can make one: 32 random bytes, the same in every process
---@field require_auth boolean? refuses a server that asks for no authentication although credentials are set
---@field log cqlua.log.level|false|(fun(record: cqlua.log.record))|nil "warn", to standard error; a function must not wait
---@field authenticators string[]? classes that may get the password besides Cassandra's own
---@field tls boolean|cqlua.options.tls|nil encrypt every connection, and verify the server
---@field profiles table<string, cqlua.options.call>? options of calls by a name
---@field profile string? the one of calls that name none

---@class cqlua.options.tls
---@field ca_file string? authorities that are trusted, PEM; those of the system unless one of the three is given
---@field ca_dir string?
---@field ca string? the PEM text itself
---@field cert_file string? the client's certificate and its chain, PEM
---@field cert string?
---@field key_file string? its key
---@field key string?
---@field passphrase string? of the key
---@field identity "address"|"chain"|string[]|nil "address": the contact point's name or address; "chain": any name; or names
---@field server_name string? asked for (SNI) instead of the contact point's name
---@field min_version "1.2"|"1.3"|nil "1.2"
---@field insecure_skip_verify boolean? no certificate is checked: for tests
---@field debug_keylog_file string? secrets are appended there

---@class cqlua.options.call
---@field consistency cqlua.consistency?
---@field serial_consistency cqlua.serial_consistency?
---@field timeout number? seconds
---@field attempt_timeout number? seconds
---@field page_size integer?
---@field max_rows integer? of result:all()
---@field paging_state string?
---@field page_token string? of result:page_token()
---@field idempotent boolean? SELECT is, nothing else unless told
---@field tracing boolean?
---@field retry "default"|"none"|(fun(err: cqlua.Error, attempt: integer): "same"|"next"|"fail"|nil)|nil
---@field speculation { delay: number, max: integer? }|false|nil
---@field keyspace string? protocol v5 only
---@field timestamp integer? microseconds: the write time
---@field now_in_seconds integer? protocol v5 only
---@field bigint "int64"|"number"|"string"|nil
---@field nil_as "error"|"unset"|"null"|nil
---@field node string|string[]|(fun(nodes: cqlua.node[]): string|(string|cqlua.node)[])|nil where it may go, in this order
---@field routing_key string? the bytes of its partition's key, see session:routing_key
---@field profile string? of connect's profiles: its options are beneath those of the call

---@class cqlua.options.all: cqlua.options.call
---@field max_bytes integer?

---@class cqlua.options.stream: cqlua.options.call
---@field prefetch integer? 1: pages asked for ahead
---@field on_page fun(progress: cqlua.progress)? once a page; may wait, and close the stream
---@field max_pages integer?
---@field page_timeout number? seconds
---@field total_timeout number? seconds

---@class cqlua.progress
---@field number integer of the page, from 1
---@field rows integer of the page
---@field bytes integer of the page
---@field rows_so_far integer
---@field bytes_so_far integer
---@field seconds number since the stream was opened
---@field rows_per_second number
---@field has_more boolean
---@field paging_state string?

---A row: a plain table by column name; row[2] reads by position; null is nil; a name that is no column raises.
---@alias cqlua.row table<string|integer, any>

---@class cqlua.column
---@field name string
---@field type string as CQL writes it
---@field keyspace string
---@field table string

---@class cqlua.cost
---@field attempts integer
---@field pages integer
---@field bytes_in integer
---@field bytes_out integer
---@field queue_us number
---@field wire_us number

---The plain array of one page's rows; all else is behind its metatable.
---@class cqlua.result: { [integer]: cqlua.row }
---@field has_more boolean
---@field paging_state string? where the next page starts
---@field number integer of the page, from 1
---@field coordinator string?
---@field warnings string[]
---@field columns cqlua.column[]
---@field applied boolean? nil: not a conditional statement
---@field tracing_id string?
---@field custom_payload table<string, string>?
---@field schema_agreed boolean?
---@field attempts cqlua.attempt[]
---@field cost cqlua.cost
local result = {}

---The first row of this page, or nil.
---@return cqlua.row?
function result:one() end

---Every row of the query, from this page on; raises if a page fails. Of a stream's page: the rows of that page.
---@async
---@return fun(): cqlua.row?
function result:rows() end

---Every row of the query in one array.
---@async
---@param limits { max_rows: integer?, max_bytes: integer? }?
---@return cqlua.row[]?
---@return cqlua.error?
function result:all(limits) end

---The next page; nil at the end.
---@async
---@return cqlua.result?
---@return cqlua.error?
function result:next_page() end

---Where the next page starts, as a text for links: of use as `page_token` with the same query and values only. nil if this is
---the last page; nil, err (`closed`).
---@return string?
---@return cqlua.error?
function result:page_token() end

---The rows of this page by the value of a column (64-bit integers as text).
---@param column string
---@return table<any, cqlua.row>
function result:map(column) end

---The values of a column in this page; `n` is their number.
---@param column string
---@return { n: integer, [integer]: any }
function result:column(column) end

---The trace of a request that was made with `tracing = true`: waits until the server has written it.
---@async
---@return cqlua.trace?
---@return cqlua.error?
function result:trace() end

---The rows of this page as JSON: an array of objects.
---@return string?
---@return cqlua.error? for what JSON cannot say
function result:json() end

---@class cqlua.trace
---@field id string
---@field request string
---@field command string
---@field client string
---@field coordinator string
---@field started_at number milliseconds since 1970
---@field duration_us integer
---@field parameters table<string, string>
---@field events { activity: string, source: string, elapsed_us: integer, thread: string }[]

---@class cqlua.prepared: userdata
---@field text string
---@field params cqlua.column[]
---@field columns cqlua.column[]

---@class cqlua.stream
---@field closed boolean
---@overload fun(): cqlua.row?
local stream = {}

---The next row; nil at the end; nil, err (err.paging_state: where to resume).
---@async
---@return cqlua.row?
---@return cqlua.error?
function stream:next() end

---Pages, each a result; raises if one fails.
---@async
---@return fun(): cqlua.result?
function stream:pages() end

---fn(row) for every row in n tasks at once; closes. The number of rows, or the first error.
---@async
---@param n integer
---@param fn fun(row: cqlua.row): any, any
---@return integer?
---@return any
function stream:each(n, fn) end

---Frees what is held; tasks that wait on it get its end. Again is harmless.
---@return true
function stream:close() end

---@class cqlua.node
---@field address string "127.0.0.1:9042"
---@field dc string?
---@field rack string?
---@field host_id string?
---@field release_version string?
---@field up boolean connected
---@field in_flight integer

---A node, or what changed of the schema.
---@class cqlua.event
---@field address string? of a node, as dc, rack, host_id
---@field dc string?
---@field rack string?
---@field host_id string?
---@field change "created"|"updated"|"dropped"|"unknown"|nil unknown: some events were missed
---@field target "keyspace"|"table"|"type"|"function"|"aggregate"|nil
---@field keyspace string?
---@field name string?
---@field args string[]? the types of a function's or aggregate's arguments

---@class cqlua.schema.column
---@field name string
---@field type string as CQL writes it
---@field kind "partition_key"|"clustering"|"static"|"regular"
---@field position integer? in its key, from 1
---@field clustering_order "asc"|"desc"|nil

---@class cqlua.schema.index
---@field name string
---@field table string
---@field kind string
---@field options table<string, string>

---A table, or a view (then base_table is there).
---@class cqlua.schema.table
---@field name string
---@field keyspace string
---@field columns cqlua.schema.column[]|table<string, cqlua.schema.column> in CQL's order, and by name
---@field partition_key string[]
---@field clustering_key string[]
---@field indexes cqlua.schema.index[]
---@field options table<string, any> comment, default_time_to_live, compaction, ...
---@field base_table string?
---@field where_clause string?
---@field include_all_columns boolean?
local schema_table = {}

---The statements that make it again, in another keyspace if one is given.
---@param keyspace string?
---@return string[]
function schema_table:statements(keyspace) end

---The same as one text.
---@param keyspace string?
---@return string
function schema_table:describe(keyspace) end

---@class cqlua.schema.keyspace
---@field name string
---@field replication table<string, string>
---@field durable_writes boolean
---@field tables table<string, cqlua.schema.table>
---@field views table<string, cqlua.schema.table>
---@field types table<string, { name: string, fields: { name: string, type: string }[] }>
---@field indexes table<string, cqlua.schema.index>
---@field functions table[] { name, args, arg_names, returns, language, body, called_on_null } each
---@field aggregates table[] { name, args, returns, state_function, state_type, final_function, initial } each
local schema_keyspace = {}

---@param keyspace string?
---@return string[]
function schema_keyspace:statements(keyspace) end

---@param keyspace string?
---@return string
function schema_keyspace:describe(keyspace) end

---@class cqlua.session
---@field closed boolean
local session = {}

---Runs a text or a prepared statement, with values by position or by name.
---@async
---@param statement string|cqlua.prepared
---@param values table<string|integer, cqlua.value>?
---@param options cqlua.options.call|cqlua.options|nil
---@return cqlua.result?
---@return cqlua.error?
function session:execute(statement, values, options) end

---Sends and waits for nothing; failures of the server are not heard of. A text with values is prepared on first use.
---@param statement string|cqlua.prepared
---@param values table<string|integer, cqlua.value>?
---@param options cqlua.options.call|cqlua.options|nil
---@return true?
---@return cqlua.error?
function session:execute_nowait(statement, values, options) end

---Every row of every page, under a cap (max_rows: 1,000,000 unless given).
---@async
---@param statement string|cqlua.prepared
---@param values table<string|integer, cqlua.value>?
---@param options cqlua.options.all|cqlua.options|nil
---@return cqlua.row[]?
---@return cqlua.error?
function session:all(statement, values, options) end

---Prepares a text; cached by keyspace and text.
---@async
---@param text string
---@return cqlua.prepared?
---@return cqlua.error?
function session:prepare(text) end

---Asks for the first page and returns at once.
---@param statement string|cqlua.prepared
---@param values table<string|integer, cqlua.value>?
---@param options cqlua.options.stream|cqlua.options|nil
---@return cqlua.stream
function session:stream(statement, values, options) end

---Makes a keyspace that of new requests.
---@async
---@param keyspace string
---@return true?
---@return cqlua.error?
function session:use(keyspace) end

---The nodes that are known.
---@return cqlua.node[]
function session:nodes() end

---The names of the keyspaces; a keyspace; a table or view of it. nil, err `invalid` if there is none. Waits if it is not known.
---@async
---@param keyspace string?
---@param name string?
---@return (string[]|cqlua.schema.keyspace|cqlua.schema.table)?
---@return cqlua.error?
---@overload fun(self: cqlua.session, keyspace: string, name: string): cqlua.schema.table?, cqlua.error?
---@overload fun(self: cqlua.session, keyspace: string): cqlua.schema.keyspace?, cqlua.error?
---@overload fun(self: cqlua.session): string[]?, cqlua.error?
function session:schema(keyspace, name) end

---The nodes that have a partition, in the order of the ring: of "keyspace.table" and the values of its partition key, or of a
---keyspace and a routing key. Empty: it is not known. Waits if the schema is not known.
---@async
---@param place string
---@param ... any
---@return cqlua.node[]?
---@return cqlua.error?
function session:replicas(place, ...) end

---The bytes of a partition key of "keyspace.table", for the option routing_key.
---@async
---@param place string
---@param ... any
---@return string?
---@return cqlua.error?
function session:routing_key(place, ...) end

---Calls fn at each event, until what this gives is called. fn must not wait.
---@param event "node_up"|"node_down"|"node_added"|"node_removed"|"schema_changed"
---@param fn fun(info: cqlua.event)
---@return fun() undo
function session:on(event, fn) end

---Waits for the first connection.
---@async
---@return true?
---@return cqlua.error?
function session:ready() end

---Drains for that many seconds (10 unless given) and closes. Again is harmless. On Lua 5.4 `local db <close> = ...` does it.
---@async
---@param seconds number?
---@return true
function session:close(seconds) end

---Connects; waits for the first connection.
---@async
---@param options cqlua.options.connect?
---@return cqlua.session?
---@return cqlua.error?
function cqlua.connect(options) end

---Options of a call, checked once.
---@class cqlua.options: cqlua.options.call

---@param options cqlua.options.call
---@return cqlua.options
function cqlua.options(options) end

---@class cqlua.task
local task = {}

---What the task's function returned; raises what it raised; nil, err of a cancelled one.
---@async
---@return any ...
function task:join() end

---Makes its present wait and each later one raise `cancelled`. False if it has ended or was cancelled.
---@return boolean
function task:cancel() end

---Runs main as the first task, and the loop until it has ended. True if main returned nothing.
---@param main fun(...: any): any ...
---@param ... any
---@return any ...
function cqlua.run(main, ...) end

---@param fn fun(...: any): any ...
---@param ... any
---@return cqlua.task
function cqlua.spawn(fn, ...) end

---@async
---@param seconds number
function cqlua.sleep(seconds) end

---Runs all at once: what they gave, by the same keys; the first error cancels the rest.
---@async
---@param functions table<any, fun(): any, any>
---@return table<any, any>?
---@return any
function cqlua.gather(functions) end

---fn(item, index) for each item, at most n at once; in the order of the list.
---@async
---@param list { n: integer?, [integer]: any }
---@param n integer
---@param fn fun(item: any, index: integer): any, any
---@return { n: integer, [integer]: any }?
---@return any
function cqlua.map(list, n, fn) end

---with(resource, fn) or with(open, args..., fn): closes what it got, whatever happens; gives what fn returned, true if nothing.
---@async
---@param resource any
---@param ... any
---@return any ...
function cqlua.with(resource, ...) end

---Ends the waits in fn after so many seconds: nil, err `timeout`.
---@async
---@param seconds number
---@param fn fun(...: any): any ...
---@param ... any
---@return any ...
function cqlua.with_timeout(seconds, fn, ...) end

---Runs fn, whose waits neither cancel nor the time limits around end.
---@async
---@param fn fun(...: any): any ...
---@param ... any
---@return any ...
function cqlua.shield(fn, ...) end

---coroutine.wrap for generators that wait.
---@param fn fun(...: any): any ...
---@return fun(...: any): any ...
function cqlua.wrap(fn) end

---Hears of errors of tasks that nobody joined within a second, or before main ended; nil: standard error again.
---@param fn (fun(err: any, traceback: string))?
function cqlua.on_error(fn) end

---What suspends and wakes tasks: `require "cqlua.host.NAME"`, NAME one of ev poll luv cqueues copas, or one of your own.
---`run_until` where cqlua owns the loop; `start` and `may_wait` where coroutines are the host's.
---@class cqlua.host
---@field name string
---@field wait fun(waiter: table)
---@field wake fun(waiter: table)
---@field now fun(): number
---@field defer fun()
---@field run_until fun(waiter: table)?
---@field start fun(body: fun(task: table), task: table)?
---@field may_wait (fun(): boolean)? whether a coroutine that is no task, and runs now, may wait
---@field loop (fun(): userdata)?
---@field pump (fun(): userdata)?

---A step of the loop, for a program that ticks: reads what has arrived, resumes who has an answer, sends what they submitted.
---It never sleeps; at its time the rest is left for the next step. See docs/hosts/games.md.
---@param seconds number? its budget; nil: no bound
---@return integer handled completions
---@return boolean more work is left
function cqlua.step(seconds) end

---@class cqlua.adopt.options
---@field bigint "int64"|"number"|"string"|nil
---@field nil_as "error"|"unset"|"null"|nil
---@field on_full "wait"|"fail"|nil
---@field profile string?
---@field profiles table<string, cqlua.options.call>? options of calls by a name
---@field request_timeout number?
---@field retry "default"|"none"|(fun(err: cqlua.Error, attempt: integer): "same"|"next"|"fail"|nil)|nil

---A C program's `struct cqlua_session *`; its loop, which the program steps, becomes the tasks' loop. Closing it lets go of it.
---@param session lightuserdata
---@param options cqlua.adopt.options?
---@return cqlua.session
function cqlua.adopt(pointer, options) end

---The host for a loop that can wait for one descriptor: require "cqlua.host.poll". See docs/hosts/poll.md.
---@class cqlua.host.poll: cqlua.host
local poll = {}

---The descriptor that is readable while anything is ready; nil where the system has none.
---@return integer?
function poll.fd() end

---How long one may sleep, in milliseconds: 0 not at all, -1 for ever.
---@return integer
function poll.timeout_ms() end

---The same as cqlua.step.
---@param seconds number?
---@return integer handled
---@return boolean more
function poll.step(seconds) end

---The host on cqueues: require "cqlua.host.cqueues". See docs/hosts/cqueues.md.
---@class cqlua.host.cqueues: cqlua.host
local cqueues = {}

---The controller that drives cqlua: the one given; else the one that runs at first use; else a new one, which is yours to run.
---@param given userdata?
---@return userdata
function cqueues.controller(given) end

---Makes a host that of all tasks; before the first.
---@param host cqlua.host
function cqlua.attach(host) end

---assert for error objects: raises err itself, noting where.
---@generic T
---@param value T?
---@param ... any
---@return T
---@return any ...
function cqlua.assert(value, ...) end

---A 64-bit integer, exactly: int64_t cdata on LuaJIT, an integer on Lua 5.3 and later.
---@param value string|number
---@return integer?
---@return cqlua.error?
function cqlua.int64(value) end

---A whole number of any size, from text ("12", "-0x1f"), a whole number or a 64-bit integer.
---@param value string|number|integer|cqlua.varint
---@return cqlua.varint?
---@return cqlua.error?
function cqlua.varint(value) end

---A decimal number, from text ("1.10", "1.1E+1000") or a whole number; a fraction as a Lua number is refused.
---@param value string|number|integer|cqlua.varint|cqlua.decimal
---@return cqlua.decimal?
---@return cqlua.error?
function cqlua.decimal(value) end

---@class cqlua.duration.parts
---@field months integer?
---@field days integer?
---@field nanoseconds integer|string|nil

---A duration, from text ("1h30m", "P1DT12H") or its parts.
---@param value string|cqlua.duration|cqlua.duration.parts
---@return cqlua.duration?
---@return cqlua.error?
function cqlua.duration(value) end

---JSON text that loses nothing: 64-bit integers, varints, decimals and durations are strings.
---@param value any
---@return string?
---@return cqlua.error? for NaN and the infinities
function cqlua.json(value) end

---Bytes for a blob: the string itself; anything else raises.
---@param bytes string
---@return string
function cqlua.blob(bytes) end

---As a Lua number: exact, or nil, err. Varints and decimals too.
---@param value any
---@return number?
---@return cqlua.error?
function cqlua.number(value) end

---As text: 64-bit integers without "LL".
---@param value any
---@return string
function cqlua.text(value) end

---As a table key that finds it again: 64-bit integers and the objects of numbers and durations as text.
---@param value any
---@return any
function cqlua.key(value) end

---Milliseconds since 1970.
---@return number
function cqlua.now() end

---Milliseconds since 1970 as ISO 8601, in UTC.
---@param milliseconds number
---@return string
function cqlua.iso(milliseconds) end

---A new random UUID.
---@return string
function cqlua.uuid() end

---A new time-based UUID: of now, each later than the one before; or of whole milliseconds since 1970.
---@param milliseconds number?
---@return string?
---@return cqlua.error?
function cqlua.timeuuid(milliseconds) end

---The time of a time-based UUID, in milliseconds since 1970.
---@param uuid string
---@return number?
---@return cqlua.error?
function cqlua.timeuuid_ms(uuid) end

-- cqlua.host.nginx: nginx with its Lua module (docs/hosts/nginx.md) ---------------------------------

---@class cqlua.host.nginx
local nginx = {}

---With options, in init_worker_by_lua or a timer: opens a session of this worker. Without: gives it, in any phase. Does not wait.
---@param name string
---@param options cqlua.options.connect?
---@return cqlua.session?
---@return cqlua.error?
function nginx.session(name, options) end

---Requests by outcome, connections and nodes as Prometheus' text: of all workers with `lua_shared_dict cqlua 1m;`.
---@return string
function nginx.prometheus() end

-- cqlua.testing: tests without a cluster (docs/testing.md) ---------------------------------------

---@class cqlua.testing
local testing = {}

---@class cqlua.testing.options
---@field version 3|4|5|nil the highest protocol version; 5
---@field nodes integer|{ dc: string?, rack: string? }[]|nil 1
---@field auth true|table<string, string>|nil { user = "password" }
---@field lz4 boolean?
---@field slowdrip integer? bytes a millisecond

---A server that listens on loopback.
---@param options cqlua.testing.options?
---@return cqlua.testing.server
function testing.server(options) end

---A test's body as a task with a time limit, for busted's `it`.
---@param fn fun(...)
---@param seconds number? 10
---@return fun(...)
function testing.async(fn, seconds) end

---A cell's bytes as they are, whatever its column's type.
---@param bytes string
---@return cqlua.testing.raw
function testing.raw(bytes) end

---@class cqlua.testing.raw

---@class cqlua.testing.what
---@field query string?
---@field pattern string? each % stands for anything
---@field opcode string|integer|nil
---@field node integer?
---@field page integer?

---@class cqlua.testing.failure
---@field code string|integer
---@field message string?
---@field consistency string?
---@field required integer?
---@field received integer?
---@field alive integer?
---@field failures integer?
---@field block_for integer?
---@field contentions integer?
---@field data_present boolean?
---@field write_type string?
---@field keyspace string?
---@field table string?
---@field function string?
---@field arg_types string?
---@field statement_id string?
---@field failure_map table<string, integer>? v5: reasons by address

---@class cqlua.testing.frame
---@field version integer? the whole byte, with the direction bit
---@field flags integer?
---@field stream integer?
---@field opcode string|integer|nil
---@field length integer?

---@class cqlua.testing.answer
---@field params (string|string[])[]|nil types, or { name, type }
---@field key integer[]?
---@field prepared_id string?
---@field columns string[][]? { name, type }
---@field rows table[]?
---@field pages table[][]?
---@field applied boolean?
---@field error string|cqlua.testing.failure|nil
---@field keyspace string?
---@field warnings string[]?
---@field payload table<string, string>?
---@field body string?
---@field frame cqlua.testing.frame?
---@field wrong_stream integer?
---@field no_metadata boolean?
---@field delay number? seconds
---@field slowdrip integer?
---@field reorder integer?
---@field duplicate boolean?
---@field no_answer boolean?
---@field raw string?
---@field truncate integer?
---@field corrupt integer?
---@field close true|integer|nil
---@field times integer?

---@class cqlua.testing.event
---@field type "STATUS_CHANGE"|"TOPOLOGY_CHANGE"|"SCHEMA_CHANGE"
---@field change string
---@field address string?
---@field target string?
---@field keyspace string?
---@field name string?

---@class cqlua.testing.received
---@field opcode string
---@field query string?
---@field params any[]
---@field statements { query: string?, params: any[] }[]? of a batch
---@field keyspace string?
---@field consistency string?
---@field serial_consistency string?
---@field page_size integer?
---@field paging_state string?
---@field timestamp any
---@field now_in_seconds integer?
---@field payload table<string, string|lightuserdata>? the custom payload
---@field tracing boolean
---@field is_statement boolean
---@field stream integer
---@field version integer
---@field node integer
---@field at number seconds, of the loop's clock
---@field body string

---@class cqlua.testing.server
---@field contact_points string[]
local server = {}

---Adds a rule; gives its id.
---@param what string|cqlua.testing.what
---@param answer cqlua.testing.answer?
---@return integer
function server:prime(what, answer) end

---@param id integer? nil: all
function server:unprime(id) end

---The nodes no longer know the prepared statements of this text.
---@param query string? nil: any
function server:forget(query) end

---Gives to how many connections it was sent.
---@param event cqlua.testing.event
---@return integer
function server:event(event) end

---@param which string? an opcode's name, or "all"; nil: statements that were executed
---@return cqlua.testing.received[]
function server:received(which) end

---@param query string
---@return integer
function server:count(query) end

function server:clear() end

function server:stop() end

function server:close() end

---@param index integer
---@return cqlua.testing.node
function server:node(index) end

---@class cqlua.testing.node
---@field address string
local node = {}

function node:stop() end

function node:start() end

function node:pause_reads() end

function node:resume_reads() end

---@return integer
function node:connections() end

return cqlua
