/*
 * Simulacron (com.datastax.oss.simulacron:simulacron-standalone) with its HTTP interface, and the answers that cannot be primed
 * over it: to each "SELECT n FROM token" the number that it asks for, and to DDL a change of the schema.
 *   java Simulacron.java HTTP_PORT FIRST_ADDRESS [FIRST_PORT]     with FIRST_PORT the nodes of a cluster share one address
 */
import com.datastax.oss.protocol.internal.Frame;
import com.datastax.oss.protocol.internal.Message;
import com.datastax.oss.protocol.internal.ProtocolConstants.DataType;
import com.datastax.oss.protocol.internal.request.Query;
import com.datastax.oss.protocol.internal.response.result.*;
import com.datastax.oss.simulacron.common.cluster.AbstractNode;
import com.datastax.oss.simulacron.common.codec.CodecUtils;
import com.datastax.oss.simulacron.common.codec.CqlMapper;
import com.datastax.oss.simulacron.common.stubbing.*;
import com.datastax.oss.simulacron.http.server.*;
import com.datastax.oss.simulacron.server.*;
import java.net.InetAddress;
import java.util.*;
import java.util.function.Function;
import java.util.regex.*;

class Simulacron {
    /** Answers the texts of QUERY that match. */
    static final class Answer extends StubMapping {
        final Pattern pattern;
        final Function<Matcher, Message> message;

        Answer(String pattern, Function<Matcher, Message> message) {
            this.pattern = Pattern.compile(pattern);
            this.message = message;
        }

        @Override
        public boolean matches(Frame frame) {
            return frame.message instanceof Query && pattern.matcher(((Query) frame.message).query).matches();
        }

        @Override
        public List<Action> getActions(AbstractNode node, Frame frame) {
            Matcher matcher = pattern.matcher(((Query) frame.message).query);
            return matcher.matches() ? List.of(new MessageResponseAction(message.apply(matcher))) : List.of();
        }
    }

    static Message token(Matcher query) {
        var column = CodecUtils.columnSpecBuilder("simulacron", "token").apply("token", CodecUtils.primitive(DataType.INT));
        var value = CqlMapper.forVersion(4).cint.encode(Integer.parseInt(query.group(1)));
        var columns = new RowsMetadata(CodecUtils.columnSpecs(column), null, null, null);
        return new DefaultRows(columns, CodecUtils.singletonRow(value));
    }

    static Message created(Matcher query) {
        return new SchemaChange("CREATED", "TABLE", "simulacron", query.group(1), null);
    }

    public static void main(String[] args) throws Exception {
        System.setProperty("vertx.disableDnsResolver", "true");
        byte[] address = InetAddress.getByName(args[1]).getAddress();
        Server.Builder nodes = Server.builder();
        if (args.length == 2) nodes = nodes.withAddressResolver(new Inet4Resolver(address));
        else
            nodes = nodes.withMultipleNodesPerIp(true)
                        .withAddressResolver(new NodePerPortResolver(address, Integer.parseInt(args[2])));
        Server server = nodes.withStubMapping(new Answer("SELECT (\\d+) FROM token.*", Simulacron::token))
                            .withStubMapping(new Answer("CREATE TABLE (\\w+).*", Simulacron::created))
                            .build();
        HttpContainer http = new HttpContainer("127.0.0.1", Integer.parseInt(args[0]), false);
        for (HttpListener listener : List.of(new ClusterManager(server), new QueryManager(server), new EndpointManager(server),
                                             new ActivityLogManager(server)))
            listener.registerWithRouter(http.getRouter());
        http.start().get();
        Thread.currentThread().join();
    }
}
