/*
 * The other side of the exchange of frames: the codecs of com.datastax.oss:native-protocol.
 *   java Frames.java read FOLDER     reads ours-v3.bin ... as a server does; what it understood: understood-v3.txt ...
 *   java Frames.java write FOLDER    responses as a server sends them: theirs-v3.bin ..., and what they say: theirs-v3.txt ...
 * The lines are those of frames.c.
 */
import com.datastax.oss.protocol.internal.*;
import com.datastax.oss.protocol.internal.request.*;
import com.datastax.oss.protocol.internal.request.query.QueryOptions;
import com.datastax.oss.protocol.internal.response.*;
import com.datastax.oss.protocol.internal.response.Error;
import com.datastax.oss.protocol.internal.response.error.*;
import com.datastax.oss.protocol.internal.response.event.*;
import com.datastax.oss.protocol.internal.response.result.*;
import com.datastax.oss.protocol.internal.response.result.Void;
import com.datastax.oss.protocol.internal.util.Bytes;
import java.io.*;
import java.net.*;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.util.*;
import java.util.zip.CRC32;
import net.jpountz.lz4.LZ4Factory;

class Frames {
    /** Bytes with a place to read from; they are written at the end. */
    static final class Buf {
        byte[] bytes;
        int read, end, mark;

        Buf(int capacity) { bytes = new byte[capacity]; }

        Buf(byte[] from) { bytes = from; end = from.length; }

        byte[] rest() { return Arrays.copyOfRange(bytes, read, end); }

        byte[] take(int len) { read += len; return Arrays.copyOfRange(bytes, read - len, read); }

        void put(byte[] more) {
            if (end + more.length > bytes.length) bytes = Arrays.copyOf(bytes, Math.max(2 * bytes.length, end + more.length));
            System.arraycopy(more, 0, bytes, end, more.length);
            end += more.length;
        }

        void putNumber(long value, int width) {
            byte[] big = new byte[width];
            for (int i = 0; i < width; i++) big[i] = (byte) (value >> 8 * (width - 1 - i));
            put(big);
        }

        long number(int width) {
            long value = 0;
            for (byte b : take(width)) value = value << 8 | b & 0xFF;
            return value;
        }
    }

    static final class Codec implements PrimitiveCodec<Buf> {
        public Buf allocate(int size) { return new Buf(size); }
        public void release(Buf b) {}
        public int sizeOf(Buf b) { return b.end - b.read; }
        public Buf concat(Buf a, Buf b) {
            Buf both = new Buf(a.rest());
            both.put(b.rest());
            return both;
        }
        public void markReaderIndex(Buf b) { b.mark = b.read; }
        public void resetReaderIndex(Buf b) { b.read = b.mark; }
        public byte readByte(Buf b) { return (byte) b.number(1); }
        public int readInt(Buf b) { return (int) b.number(4); }
        public int readInt(Buf b, int offset) {
            int read = b.read;
            b.read += offset;
            int value = readInt(b);
            b.read = read;
            return value;
        }
        public InetAddress readInetAddr(Buf b) {
            try {
                return InetAddress.getByAddress(b.take((int) b.number(1)));
            } catch (UnknownHostException e) {
                throw new IllegalArgumentException(e);
            }
        }
        public long readLong(Buf b) { return b.number(8); }
        public int readUnsignedShort(Buf b) { return (int) b.number(2); }
        public ByteBuffer readBytes(Buf b) {
            int len = readInt(b);
            if (len == -2) return ProtocolConstants.UNSET_VALUE;
            return len < 0 ? null : ByteBuffer.wrap(b.take(len));
        }
        public byte[] readShortBytes(Buf b) { return b.take(readUnsignedShort(b)); }
        public String readString(Buf b) { return new String(b.take(readUnsignedShort(b)), StandardCharsets.UTF_8); }
        public String readLongString(Buf b) { return new String(b.take(readInt(b)), StandardCharsets.UTF_8); }
        public Buf readRetainedSlice(Buf b, int len) { return new Buf(b.take(len)); }
        public void updateCrc(Buf b, CRC32 crc) { crc.update(b.bytes, b.read, b.end - b.read); }
        public void writeByte(byte value, Buf b) { b.putNumber(value, 1); }
        public void writeInt(int value, Buf b) { b.putNumber(value, 4); }
        public void writeInetAddr(InetAddress address, Buf b) {
            b.putNumber(address.getAddress().length, 1);
            b.put(address.getAddress());
        }
        public void writeLong(long value, Buf b) { b.putNumber(value, 8); }
        public void writeUnsignedShort(int value, Buf b) { b.putNumber(value, 2); }
        public void writeString(String text, Buf b) { writeShortBytes(utf8(text), b); }
        public void writeLongString(String text, Buf b) { writeBytes(utf8(text), b); }
        public void writeBytes(ByteBuffer bytes, Buf b) { writeBytes(bytes == null ? null : Bytes.getArray(bytes), b); }
        public void writeBytes(byte[] bytes, Buf b) {
            b.putNumber(bytes == null ? -1 : bytes.length, 4);
            if (bytes != null) b.put(bytes);
        }
        public void writeShortBytes(byte[] bytes, Buf b) {
            b.putNumber(bytes.length, 2);
            b.put(bytes);
        }
    }

    static final class Lz4 implements Compressor<Buf> {
        public String algorithm() { return "lz4"; }
        public Buf compressWithoutLength(Buf b) { return new Buf(LZ4Factory.safeInstance().fastCompressor().compress(b.rest())); }
        public Buf decompressWithoutLength(Buf b, int size) {
            return new Buf(LZ4Factory.safeInstance().safeDecompressor().decompress(b.rest(), 0, b.end - b.read, size));
        }
        public Buf compress(Buf b) {
            Buf out = new Buf(4);
            out.putNumber(b.end - b.read, 4);
            out.put(compressWithoutLength(b).rest());
            return out;
        }
        public Buf decompress(Buf b) {
            int size = (int) b.number(4);
            return decompressWithoutLength(b, size);
        }
    }

    static final Codec CODEC = new Codec();
    final int version;
    final boolean isLz4;
    final StringBuilder said = new StringBuilder();

    Frames(int version, boolean isLz4) {
        this.version = version;
        this.isLz4 = isLz4;
    }

    Compressor<Buf> compressor(boolean used) { return used ? new Lz4() : Compressor.none(); }

    SegmentCodec<Buf> segments() { return new SegmentCodec<>(CODEC, compressor(isLz4)); }

    // --- lines -----------------------------------------------------------------------------------------------------------

    static byte[] utf8(String text) { return text.getBytes(StandardCharsets.UTF_8); }

    Frames say(String text) {
        said.append(text);
        return this;
    }

    Frames say(String name, byte[] bytes) {
        say(name);
        if (bytes == null) return say("null");
        if (bytes.length <= 64) return say(Bytes.toHexString(bytes).substring(2));
        long hash = 0xCBF29CE484222325L;
        for (byte b : bytes) hash = (hash ^ b & 0xFF) * 0x100000001B3L;
        return say(String.format("#%d/%016x", bytes.length, hash));
    }

    Frames say(String name, ByteBuffer bytes) { return say(name, bytes == null ? null : Bytes.getArray(bytes)); }

    Frames sayText(String name, String text) { return say(name, text == null ? new byte[0] : utf8(text)); }

    Frames sayTexts(String name, Collection<String> texts) {
        say(" " + name + "=[");
        if (texts != null) for (String text : texts) sayText("", text).say(",");
        return say("]");
    }

    Frames sayValues(List<ByteBuffer> values) {
        say(" values=[");
        for (ByteBuffer value : values) {
            if (value == ProtocolConstants.UNSET_VALUE) say("unset,");
            else say("", value).say(",");
        }
        return say("]");
    }

    void sayPayload(Map<String, ByteBuffer> payload) {
        say(" payload={");
        payload.forEach((name, value) -> sayText("", name).say("=", value).say(","));
        say("}");
    }

    // --- requests that were written by cqlua ----------------------------------------------------------------------------------

    void sayParameters(int flags, int consistency, int serial, long timestamp, String keyspace, int now) {
        say(" consistency=" + consistency + " serial=" + ((flags & 0x10) != 0 ? serial : -1));
        if ((flags & 0x20) != 0) say(" timestamp=" + timestamp);
        if ((flags & 0x80) != 0) sayText(" keyspace=", keyspace);
        if ((flags & 0x100) != 0) say(" now=" + now);
    }

    void say(QueryOptions o) {
        sayParameters(o.flags, o.consistency, o.serialConsistency, o.defaultTimestamp, o.keyspace, o.nowInSeconds);
        sayValues(o.positionalValues);
        say(" skip=" + (o.skipMetadata ? 1 : 0) + " page_size=" + ((o.flags & 4) != 0 ? o.pageSize : -1));
        say(" paging=", o.pagingState);
    }

    void sayBatch(Batch b) {
        say(" BATCH " + b.type);
        for (int i = 0; i < b.queriesOrIds.size(); i++) {
            Object entry = b.queriesOrIds.get(i);
            if (entry instanceof String) sayText(" text=", (String) entry);
            else say(" id=", (byte[]) entry);
            sayValues(b.values.get(i));
        }
        sayParameters(b.flags, b.consistency, b.serialConsistency, b.defaultTimestamp, b.keyspace, b.nowInSeconds);
    }

    void sayRequest(Frame frame) {
        Message m = frame.message;
        say("stream=" + frame.streamId + " tracing=" + (frame.tracing ? 1 : 0));
        sayPayload(frame.customPayload);
        if (m instanceof Startup) {
            say(" STARTUP");
            ((Startup) m).options.forEach((name, value) -> sayText(" ", name).sayText("=", value));
        } else if (m instanceof Options) say(" OPTIONS");
        else if (m instanceof Register) say(" REGISTER " + String.join(" ", ((Register) m).eventTypes));
        else if (m instanceof AuthResponse) say(" AUTH_RESPONSE ", ((AuthResponse) m).token);
        else if (m instanceof Query) {
            sayText(" QUERY ", ((Query) m).query);
            say(((Query) m).options);
        } else if (m instanceof Prepare) {
            String keyspace = ((Prepare) m).keyspace;
            sayText(" PREPARE ", ((Prepare) m).cqlQuery).say(" keyspace=", keyspace == null ? null : utf8(keyspace));
        } else if (m instanceof Execute) {
            say(" EXECUTE ", ((Execute) m).queryId);
            if (version >= 5) say(" metadata=", ((Execute) m).resultMetadataId);
            say(((Execute) m).options);
        } else if (m instanceof Batch) sayBatch((Batch) m);
        else say(" " + m);
        say("\n");
    }

    /** The whole frames that stand in `from`; the codec wants each alone. */
    void readWhole(FrameCodec<Buf> frames, Buf from) {
        while (from.end - from.read >= 9) {
            int whole = 9 + CODEC.readInt(from, 5);
            if (from.end - from.read < whole) return;
            sayRequest(frames.decode(new Buf(from.take(whole))));
        }
    }

    /** All frames of a stream: plain, or in segments, of which one holds whole frames or a part of a large one. */
    void readFrames(Buf wire) throws Exception {
        FrameCodec<Buf> frames = FrameCodec.defaultServer(CODEC, compressor(isLz4 && version < 5));
        Buf large = new Buf(0);
        if (version < 5) readWhole(frames, wire);
        while (wire.read < wire.end) {
            SegmentCodec.Header header = segments().decodeHeader(new Buf(wire.take(segments().headerLength() + 3)));
            Segment<Buf> segment = segments().decode(header, new Buf(wire.take(header.payloadLength + 4)));
            Buf from = segment.payload;
            if (!segment.isSelfContained) (from = large).put(segment.payload.rest());
            readWhole(frames, from);
            if (segment.isSelfContained && from.read < from.end) say("a segment that says it is self-contained is not\n");
        }
        if (large.read < large.end) say("the last frame is not whole\n");
    }

    // --- responses ----------------------------------------------------------------------------------------------------------

    final ByteArrayOutputStream out = new ByteArrayOutputStream();
    FrameCodec<Buf> responses;
    int stream;

    final class Segments extends SegmentBuilder<Buf, Integer> {
        Segments() { super(CODEC, responses); }
        protected Integer mergeStates(List<Integer> states) { return 0; }
        protected List<Integer> splitState(Integer state, int parts) { return Collections.nCopies(parts, 0); }
        protected void processSegment(Segment<Buf> segment, Integer state) {
            List<Object> parts = new ArrayList<>();
            segments().encode(segment, parts);
            for (Object part : parts) out.writeBytes(((Buf) part).rest());
        }
    }

    Segments builder;

    void sayType(RawType type) {
        say("" + type.id);
        List<RawType> children = new ArrayList<>();
        List<String> fields = null;
        if (type instanceof RawType.RawCustom) sayText(":", ((RawType.RawCustom) type).className);
        if (type instanceof RawType.RawList) children.add(((RawType.RawList) type).elementType);
        if (type instanceof RawType.RawSet) children.add(((RawType.RawSet) type).elementType);
        if (type instanceof RawType.RawMap) {
            children.add(((RawType.RawMap) type).keyType);
            children.add(((RawType.RawMap) type).valueType);
        }
        if (type instanceof RawType.RawTuple) children.addAll(((RawType.RawTuple) type).fieldTypes);
        if (type instanceof RawType.RawUdt) {
            RawType.RawUdt udt = (RawType.RawUdt) type;
            sayText(":", udt.keyspace).sayText(".", udt.typeName);
            children.addAll(udt.fields.values());
            fields = new ArrayList<>(udt.fields.keySet());
        }
        if (children.isEmpty()) return;
        say("(");
        for (int i = 0; i < children.size(); i++) {
            if (fields != null) sayText("", fields.get(i)).say(":");
            sayType(children.get(i));
            say(",");
        }
        say(")");
    }

    void sayColumns(String name, RowsMetadata metadata) {
        say(" " + name + "=[");
        for (ColumnSpec column : metadata.columnSpecs) {
            sayText("", column.ksName).sayText(".", column.tableName).sayText(".", column.name).say(":");
            sayType(column.type);
            say(",");
        }
        say("]");
    }

    void sayRows(Rows rows) {
        RowsMetadata metadata = rows.getMetadata();
        say(" ROWS paging=", metadata.pagingState).say(" new=", metadata.newResultMetadataId);
        sayColumns("columns", metadata);
        for (List<ByteBuffer> row : rows.getData()) {
            say(" row=[");
            for (ByteBuffer cell : row) say("", cell).say(",");
            say("]");
        }
        say(" status=" + (metadata.pagingState == null ? 0 : 2));
    }

    void sayChange(String change, String target, String keyspace, String object, List<String> args) {
        sayText(" ", change).sayText(" ", target).sayText(" ", keyspace).sayText(" ", object).sayTexts("args", args);
    }

    void sayError(Error e) {
        int cl = -1, required = -1, alive = -1, received = -1, blockFor = -1, failures = -1;
        boolean data = false;
        String writeType = "", keyspace = "", table = "", function = "";
        List<String> args = null;
        byte[] id = {}, map = {};
        if (e instanceof Unavailable) {
            cl = ((Unavailable) e).consistencyLevel; required = ((Unavailable) e).required; alive = ((Unavailable) e).alive;
        } else if (e instanceof ReadTimeout) {
            ReadTimeout t = (ReadTimeout) e;
            cl = t.consistencyLevel; received = t.received; blockFor = t.blockFor; data = t.dataPresent;
        } else if (e instanceof WriteTimeout) {
            WriteTimeout t = (WriteTimeout) e;
            cl = t.consistencyLevel; received = t.received; blockFor = t.blockFor; writeType = t.writeType;
        } else if (e instanceof ReadFailure) {
            ReadFailure t = (ReadFailure) e;
            cl = t.consistencyLevel; received = t.received; blockFor = t.blockFor; data = t.dataPresent;
            failures = t.numFailures; map = reasons(t.reasonMap);
        } else if (e instanceof WriteFailure) {
            WriteFailure t = (WriteFailure) e;
            cl = t.consistencyLevel; received = t.received; blockFor = t.blockFor; writeType = t.writeType;
            failures = t.numFailures; map = reasons(t.reasonMap);
        } else if (e instanceof CASWriteUnknown) {
            CASWriteUnknown t = (CASWriteUnknown) e;
            cl = t.consistencyLevel; received = t.received; blockFor = t.blockFor;
        } else if (e instanceof FunctionFailure) {
            FunctionFailure f = (FunctionFailure) e;
            keyspace = f.keyspace; function = f.function; args = f.argTypes;
        } else if (e instanceof AlreadyExists) {
            keyspace = ((AlreadyExists) e).keyspace; table = ((AlreadyExists) e).table;
        } else if (e instanceof Unprepared) id = ((Unprepared) e).id;
        say(String.format(" ERROR %04x", e.code)).sayText(" ", e.message);
        say(" cl=" + cl + " required=" + required + " alive=" + alive + " received=" + received + " block_for=" + blockFor
            + " failures=" + failures + " data=" + (data ? 1 : 0));
        sayText(" write_type=", writeType).sayText(" keyspace=", keyspace).sayText(" table=", table);
        sayText(" function=", function).sayTexts("args", args).say(" id=", id).say(" map=", map);
    }

    byte[] reasons(Map<InetAddress, Integer> map) {
        Buf b = new Buf(0);
        if (version >= 5) map.forEach((address, reason) -> {
            CODEC.writeInetAddr(address, b);
            CODEC.writeUnsignedShort(reason, b);
        });
        return b.rest();
    }

    void sayAddress(String type, String change, InetSocketAddress address) {
        say(" EVENT " + type).sayText(" ", change).say(" ", address.getAddress().getAddress()).say(":" + address.getPort());
    }

    void sayResponse(Message m) {
        if (m instanceof Ready) say(" READY");
        else if (m instanceof Authenticate) sayText(" AUTHENTICATE ", ((Authenticate) m).authenticator);
        else if (m instanceof AuthChallenge) say(" AUTH_CHALLENGE ", ((AuthChallenge) m).token);
        else if (m instanceof AuthSuccess) say(" AUTH_SUCCESS ", ((AuthSuccess) m).token);
        else if (m instanceof Supported) {
            say(" SUPPORTED");
            ((Supported) m).options.forEach((name, values) -> sayText(" ", name).sayTexts("", values));
        } else if (m instanceof Error) sayError((Error) m);
        else if (m instanceof Void) say(" VOID");
        else if (m instanceof SetKeyspace) sayText(" SET_KEYSPACE ", ((SetKeyspace) m).keyspace);
        else if (m instanceof SchemaChange) {
            SchemaChange c = (SchemaChange) m;
            say(" SCHEMA_CHANGE");
            sayChange(c.changeType, c.target, c.keyspace, c.object, c.arguments);
        } else if (m instanceof Rows) sayRows((Rows) m);
        else if (m instanceof Prepared) {
            Prepared p = (Prepared) m;
            say(" PREPARED ", p.preparedQueryId);
            if (version >= 5) say(" metadata=", p.resultMetadataId);
            sayColumns("params", p.variablesMetadata);
            say(" keys=[");
            boolean hasKeys = version >= 4 && p.variablesMetadata.pkIndices != null;
            if (hasKeys) for (int key : p.variablesMetadata.pkIndices) say(key + ",");
            say("]");
            sayColumns("columns", p.resultMetadata);
        } else if (m instanceof StatusChangeEvent)
            sayAddress("STATUS_CHANGE", ((StatusChangeEvent) m).changeType, ((StatusChangeEvent) m).address);
        else if (m instanceof TopologyChangeEvent)
            sayAddress("TOPOLOGY_CHANGE", ((TopologyChangeEvent) m).changeType, ((TopologyChangeEvent) m).address);
        else if (m instanceof SchemaChangeEvent) {
            SchemaChangeEvent c = (SchemaChangeEvent) m;
            say(" EVENT SCHEMA_CHANGE");
            sayChange(c.changeType, c.target, c.keyspace, c.object, c.arguments);
        }
    }

    void send(int on, UUID tracing, Map<String, ByteBuffer> payload, List<String> warnings, Message message) {
        say("v" + version + " stream=" + on);
        Buf id = new Buf(0);
        if (tracing != null) CODEC.writeUuid(tracing, id);
        say(" tracing=", id.rest()).sayTexts("warnings", warnings);
        sayPayload(payload);
        sayResponse(message);
        say("\n");
        Frame frame = Frame.forResponse(version, on, tracing, payload, warnings, message);
        if (version >= 5 && message instanceof Rows) builder.flush(); // a large one would overtake those that are gathered
        if (version < 5) out.writeBytes(responses.encode(frame).rest());
        else builder.addFrame(frame, 0);
    }

    void send(Message message) {
        boolean isEvent = message instanceof Event;
        send(isEvent ? -1 : stream, null, Collections.emptyMap(), Collections.emptyList(), message);
        stream = stream + 1001 & 0x7FFF;
    }

    static ByteBuffer bytes(String text) { return ByteBuffer.wrap(utf8(text)); }

    static InetAddress address(String text) throws Exception { return InetAddress.getByName(text); }

    void sendErrors() throws Exception {
        int[] plain = {0x0000, 0x000A, 0x0100, 0x1001, 0x1002, 0x1003, 0x2000, 0x2100, 0x2200, 0x2300};
        for (int code : plain) send(new Error(code, "it \u00fc"));
        send(new Unavailable("unavailable", 6, 3, 1));
        send(new WriteTimeout("late", 4, 1, 2, "BATCH_LOG"));
        send(new ReadTimeout("late", 4, 1, 2, true));
        send(new AlreadyExists("there", "shop", "users"));
        send(new Unprepared("unknown", new byte[] {0, 1, -1}));
        if (version < 4) return;
        Map<InetAddress, Integer> reasons = new LinkedHashMap<>();
        reasons.put(address("127.0.0.1"), 0);
        reasons.put(address("2001:db8::1"), 5);
        send(new ReadFailure("failed", 4, 1, 2, 2, reasons, true));
        send(new WriteFailure("failed", 4, 1, 2, 2, reasons, "SIMPLE"));
        send(new FunctionFailure("f failed", "shop", "f", Arrays.asList("int", "list<text>")));
        if (version >= 5) send(new CASWriteUnknown("perhaps", 8, 1, 2));
        if (version >= 5) send(new Error(0x1600, "full"));
    }

    List<ColumnSpec> columns(boolean areOfOneTable) {
        List<RawType> types = new ArrayList<>();
        for (int id = 1; id <= (version >= 5 ? 0x15 : version == 4 ? 0x14 : 0x10); id++)
            if (RawType.PRIMITIVES.containsKey(id)) types.add(RawType.PRIMITIVES.get(id));
        RawType number = RawType.PRIMITIVES.get(9), text = RawType.PRIMITIVES.get(13);
        Map<String, RawType> fields = new LinkedHashMap<>();
        fields.put("a", text);
        fields.put("B c", new RawType.RawList(number));
        types.add(new RawType.RawList(number));
        types.add(new RawType.RawSet(text));
        types.add(new RawType.RawMap(text, new RawType.RawList(new RawType.RawUdt("shop", "address", fields))));
        types.add(new RawType.RawTuple(Arrays.asList(number, text)));
        types.add(new RawType.RawUdt("shop", "address", fields));
        types.add(new RawType.RawCustom("com.example.Thing"));
        List<ColumnSpec> columns = new ArrayList<>();
        for (RawType type : types) {
            int i = columns.size();
            columns.add(new ColumnSpec("shop", areOfOneTable || i % 2 == 0 ? "users" : "others", "c" + i, i, type));
        }
        return columns;
    }

    Rows rows(List<ColumnSpec> columns, int count, int size, ByteBuffer paging, byte[] newId) {
        Queue<List<ByteBuffer>> data = new ArrayDeque<>();
        for (int row = 0; row < count; row++) {
            List<ByteBuffer> cells = new ArrayList<>();
            for (int i = 0; i < columns.size(); i++) {
                byte[] cell = new byte[size + i];
                for (int j = 0; j < cell.length; j++) cell[j] = (byte) (row + i * j % 17);
                cells.add((row + i) % 5 == 3 ? null : ByteBuffer.wrap(cell));
            }
            data.add(cells);
        }
        return new DefaultRows(new RowsMetadata(columns, paging, null, newId), data);
    }

    void sendResults() {
        send(Void.INSTANCE);
        send(new SetKeyspace("Shop\""));
        send(new SchemaChange("CREATED", "KEYSPACE", "shop", null, null));
        send(new SchemaChange("UPDATED", "TABLE", "shop", "users", null));
        send(new SchemaChange("UPDATED", "TYPE", "shop", "address", null));
        if (version >= 4) send(new SchemaChange("DROPPED", "FUNCTION", "shop", "f", Arrays.asList("int", "text")));
        if (version >= 4) send(new SchemaChange("DROPPED", "AGGREGATE", "shop", "g", Collections.emptyList()));
        send(rows(columns(true), 3, 0, null, null));
        send(rows(columns(false), 2, 5, bytes("state"), version >= 5 ? utf8("metadata") : null));
        send(rows(columns(true), 0, 0, null, null));
        send(rows(columns(true).subList(0, 1), 40, 3300, null, null)); // just above one segment
        send(rows(columns(true).subList(0, 2), 100, 3000, bytes("state"), null));
        int[] keys = {2, 0};
        RowsMetadata none = new RowsMetadata(Collections.emptyList(), null, null, null);
        send(new Prepared(utf8("id"), utf8("metadata"), new RowsMetadata(columns(true), null, keys, null),
            new RowsMetadata(columns(false), null, null, null)));
        send(new Prepared(utf8("id"), utf8("metadata"), none, none));
    }

    void sendOthers() throws Exception {
        Map<String, List<String>> supported = new LinkedHashMap<>();
        supported.put("COMPRESSION", Arrays.asList("snappy", "lz4"));
        supported.put("CQL_VERSION", Collections.singletonList("3.4.7"));
        supported.put("NOTHING", Collections.emptyList());
        send(new Supported(supported));
        send(new Ready());
        send(new Authenticate("org.apache.cassandra.auth.PasswordAuthenticator"));
        send(new AuthChallenge(bytes("who?")));
        send(new AuthSuccess(null));
        send(new AuthSuccess(bytes("you")));
        send(new StatusChangeEvent("UP", new InetSocketAddress(address("127.0.0.1"), 9042)));
        send(new TopologyChangeEvent("NEW_NODE", new InetSocketAddress(address("2001:db8::1"), 19042)));
        send(new SchemaChangeEvent("CREATED", "KEYSPACE", "shop", null, null));
        send(new SchemaChangeEvent("DROPPED", "TABLE", "shop", "users", null));
        if (version >= 4) send(new SchemaChangeEvent("UPDATED", "AGGREGATE", "shop", "g", Arrays.asList("int")));
        UUID tracing = UUID.fromString("123e4567-e89b-12d3-a456-426614174000");
        send(7, tracing, Collections.emptyMap(), Collections.emptyList(), Void.INSTANCE);
        if (version < 4) return;
        Map<String, ByteBuffer> payload = new LinkedHashMap<>();
        payload.put("key", bytes("value"));
        payload.put("empty", bytes(""));
        payload.put("null", null);
        send(8, tracing, payload, Arrays.asList("careful", "\u00fc"), rows(columns(true), 1, 1, null, null));
        send(9, null, payload, Collections.emptyList(), new Error(0x2200, "invalid"));
    }

    void writeFrames() throws Exception {
        responses = FrameCodec.defaultServer(CODEC, compressor(isLz4 && version < 5));
        if (version >= 5) builder = new Segments();
        sendOthers();
        sendErrors();
        sendResults();
        if (version >= 5) builder.flush();
    }

    public static void main(String[] args) throws Exception {
        for (int version = 3; version <= 5; version++)
            for (int lz4 = 0; lz4 <= 1; lz4++) {
                Frames frames = new Frames(version, lz4 == 1);
                String name = "-v" + version + (lz4 == 1 ? "-lz4" : "");
                Path folder = Paths.get(args[1]);
                boolean reads = args[0].equals("read");
                if (reads) frames.readFrames(new Buf(Files.readAllBytes(folder.resolve("ours" + name + ".bin"))));
                else frames.writeFrames();
                if (!reads) Files.write(folder.resolve("theirs" + name + ".bin"), frames.out.toByteArray());
                Files.write(folder.resolve((reads ? "understood" : "theirs") + name + ".txt"), utf8(frames.said.toString()));
            }
    }
}
