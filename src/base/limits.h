/* Every maximum and default number of the library, in one place. Each is an option, a bound whose breach is a typed error, or
 * a size that was measured. Times in milliseconds unless the name says otherwise. */
#ifndef CQLUA_BASE_LIMITS_H
#define CQLUA_BASE_LIMITS_H

enum {
    /* time */
    LIMIT_TICK_US = 8000, /* the timer wheel's grain */
    DEFAULT_CONNECT_TIMEOUT = 10000,
    DEFAULT_REQUEST_TIMEOUT = 10000,
    DEFAULT_SCHEMA_TIMEOUT = 30000,
    LIMIT_TIMEOUT = 300000, /* a longer one was meant in other units */
    DEFAULT_HEARTBEAT_INTERVAL = 10000,
    DEFAULT_HEARTBEAT_TIMEOUT = 5000,
    DEFAULT_RECONNECT_MIN = 1000,
    DEFAULT_RECONNECT_MAX = 60000,
    CONNECT_BACKOFF_MIN = 50, /* between attempts inside connect_timeout */
    ORPHAN_OLD = 1000,        /* an orphan older than this counts against its connection */

    /* the connection */
    LIMIT_STREAMS = 32768, /* stream ids are 0 .. 32767 (v3 to v5, section 2.3) */
    DEFAULT_IN_FLIGHT = 32767,
    LIMIT_OLD_ORPHANS = 1024,
    DEFAULT_CONNECTIONS_MIN = 1,
    DEFAULT_CONNECTIONS_MAX = 4,
    LIMIT_CONNECTIONS = 64,                  /* of one node */
    LIMIT_OUTPUT_BYTES = 1 << 20,            /* unsent bytes beyond which a connection takes no new request */
    LIMIT_FRAME_UNAUTHENTICATED = 64 * 1024, /* SEC9 */
    DEFAULT_FRAME_BYTES = 256 * 1024 * 1024,
    DEFAULT_MEMORY_MIB = 2048,   /* that a session may hold when more than; */
    RECEIVE_SMALL = 8 * 1024,    /* so many bytes are to come in (SEC10) */
    RECEIVE_BLOCK = 64 * 1024,   /* capacity of a receive block */
    RECEIVE_ROOM_MIN = 8 * 1024, /* a read gets at least this much */

    /* the cluster */
    LIMIT_NODES = 4096,
    LIMIT_EVENTS = 256,    /* of servers, that nobody has looked at yet */
    WARM_STATEMENTS = 256, /* that a node is told again when it comes up, the most recently used; */
    WARM_CONCURRENCY = 4,  /* so many at a time, */
    WARM_PAUSE_MAX = 500,  /* after a random pause */
    CONTROL_TIMEOUT = 5000,
    CONTROL_REFRESH = 120000,  /* what is known of the cluster is read anew, for events may be lost; give or take 15 % */
    AGREEMENT_TIMEOUT = 10000, /* of the nodes about the schema */
    AGREEMENT_PAUSE_MS = 200,
    CONTROL_RETRY = 1000,       /* between tries to learn of the cluster, when every node has failed at it */
    TRANSLATE_CONCURRENCY = 64, /* addresses whose translation is asked for at once; */
    TRANSLATE_TIMEOUT = 5000,   /* without an answer to any of them for so long, it is as if each had failed */
    REST_MIN = 100,             /* a node that is overloaded or still joins comes last for so long, */
    REST_MAX = 5000,            /* and twice as long each time it is so again, up to this; give or take 15 %; */
    REST_SPREAD = 50,           /* requests that wait for it start again within this time, not all at once */
    LIMIT_CONTACT_POINTS = 256,
    DEFAULT_PORT = 9042,
    DEFAULT_MAX_RETRIES = 3,
    LIMIT_ATTEMPTS = 8, /* kept in the history of a request */
    LIMIT_MAX_RETRIES = 7,

    /* TLS */
    TLS_RECEIVE = 32 * 1024,  /* encrypted bytes taken at once: two records (RFC 8446 section 5.2) */
    LIMIT_TLS_SESSIONS = 256, /* kept for resumption, one for each node */

    /* the session */
    DEFAULT_QUEUED = 131072,
    LIMIT_REQUESTS = 1 << 22, /* alive at once */
    DEFAULT_PREPARED = 4096,
    DEFAULT_PAGE_SIZE = 5000,
    LIMIT_VALUES = 65535,    /* bind markers, and columns of a result */
    LIMIT_NAME = 65535,      /* a [string] */
    LIMIT_ERROR_TEXT = 4096, /* bytes kept of a server's message */
    LIMIT_CLASS_NAME = 4096, /* an authenticator's or a custom type's class */
    LIMIT_CREDENTIAL = 4096,
    LIMIT_SASL_TOKEN = 64 * 1024,
    LIMIT_STARTUP_OPTIONS = 8,
    LIMIT_STARTUP_TEXT = 1024, /* bytes of an application's name, its version, a client's id */
    LIMIT_PAYLOAD = 65535,     /* entries of a custom payload */
    LIMIT_BATCH = 65535,       /* statements of a batch */

    /* the log */
    LIMIT_LOG_RECORDS = 256, /* waiting to be taken */
    LIMIT_LOG_TEXT = 1024,   /* bytes of a message */
    LIMIT_LOG_CQL = 256,     /* of a statement in it */
    LIMIT_LOG_WARNING = 512, /* of a server's warning in it */
    LIMIT_LOG_PLACES = 32,   /* formats and nodes whose repeats are counted */
    LOG_WINDOW = 10000,      /* in which one of them gets no more than LOG_BURST records */
    LOG_BURST = 5,

    /* the codec */
    LIMIT_NESTING = 32,
    LIMIT_METADATA_BYTES = 64 << 20, /* of one result's decoded column metadata */

    /* memory that is kept for reuse */
    SMALL_STEP = 64,
    SMALL_MAX = 1536, /* a call is the largest of them */
    LIMIT_KEPT_BYTES = 1 << 20,
    LIMIT_KEPT_BUSY = 16 << 20,     /* of small ones by a session, while it needs them */
    TRIM_INTERVAL = 1000,           /* in which what was not needed is let go, */
    TRIM_BYTES = 2 << 20,           /* no more than so much at once */
    LIMIT_SPARES = 2,               /* large receive blocks */
    LIMIT_SPARE_BYTES = 768 * 1024, /* a larger one is given back */
};

#endif
