-- Needs a Cassandra with TLS, ./dev cassandra start --tls --instance tls --address-base 127.0.0.61, and one that wants the
-- client's certificate too, --tls-client-auth --instance tls-client --address-base 127.0.0.62. They are named, each with
-- the folder of its certificates, by CQLUA_TEST_TLS_CONTACT_POINTS and _FOLDER, CQLUA_TEST_TLS_CLIENT_CONTACT_POINTS and
-- _FOLDER. `./dev test --all` does all that.
local cqlua = require "cqlua"
local live = require "spec.live.support.live"

local point, folder = os.getenv "CQLUA_TEST_TLS_CONTACT_POINTS", os.getenv "CQLUA_TEST_TLS_FOLDER"
local mutual_point, mutual = os.getenv "CQLUA_TEST_TLS_CLIENT_CONTACT_POINTS", os.getenv "CQLUA_TEST_TLS_CLIENT_FOLDER"

if not (point and folder and mutual_point and mutual) then
  describe("TLS", function()
    it("SEC1 is proved against a server that wants TLS", function()
      pending "CQLUA_TEST_TLS_CONTACT_POINTS is not set: no Cassandra with --tls to talk to"
    end)
  end)
  return
end

local CONNECT_SECONDS = 10

local function connect(tls, more)
  local options = { contact_points = { point }, tls = tls, connect_timeout = CONNECT_SECONDS }
  for name, value in pairs(more or {}) do options[name] = value end
  return cqlua.connect(options)
end

local function contents(path)
  local file = assert(io.open(path))
  local text = file:read "*a"
  file:close()
  return text
end

-- Connecting fails with that error and text, well before its time is up.
local function refused(name, text, tls, more)
  local began = cqlua.now()
  local err = live.failed(name, connect(tls, more))
  assert.matches(text, err.message)
  assert.is_true(cqlua.now() - began < CONNECT_SECONDS * 1000 / 2, "not at once")
  return err
end

-- A server of one connection after another on a port of its own, given as a shell command; ended with the body.
local function with_server(command, body)
  local pipe = assert(io.popen(("%s >/dev/null 2>&1 </dev/null & echo $!"):format(command)))
  local pid = pipe:read "*n"
  pipe:close()
  cqlua.sleep(0.5)
  local ok, err = pcall(body)
  os.execute("kill " .. pid)
  if not ok then error(err, 0) end
end

describe("TLS", function()
  local place = os.tmpname()

  -- A certificate that expired in 2020.
  setup(function()
    os.remove(place)
    assert(os.execute("mkdir " .. place))
    local made = os.execute(([[cd %s && exec >/dev/null 2>&1 && touch index && echo 01 >serial &&
      openssl req -newkey rsa:2048 -nodes -subj /CN=old -keyout old.key -out old.csr &&
      echo subjectAltName=IP:127.0.0.1 >names &&
      printf '%%s\n' '[ca]' default_ca=it '[it]' database=index serial=serial new_certs_dir=. policy=any \
        default_md=sha256 '[any]' commonName=supplied >conf &&
      openssl ca -batch -notext -config conf -cert %s/ca.pem -keyfile %s/ca.key -in old.csr -out old.pem -extfile names \
        -startdate 20200101000000Z -enddate 20200201000000Z]]):format(place, folder, folder))
    assert.is_true(made == 0 or made == true)
  end)
  teardown(function() os.execute("rm -r " .. place) end)

  for _, version in ipairs(live.versions) do
    it("SEC1 connects to a server whose chain and address are right, on protocol v" .. version, function()
      local db = cqlua.assert(connect({ ca_file = folder .. "/ca.pem" }, { protocol_version = version }))
      live.assert_usable(db)
      db:close()
    end)
  end

  it("takes authorities as text, and TLS 1.3 as the least version", function()
    local db = cqlua.assert(connect { ca = contents(folder .. "/ca.pem"), min_version = "1.3" })
    live.assert_usable(db)
    db:close()
  end)

  it("SEC2 identity takes names, of which the certificate must have one", function()
    local db = cqlua.assert(connect { ca_file = folder .. "/ca.pem", identity = { "db.example", "localhost" } })
    live.assert_usable(db)
    db:close()
  end)

  it("large results and many requests come through whole", function()
    local db = cqlua.assert(connect { ca_file = folder .. "/ca.pem" })
    local text = "SELECT table_name, column_name, type FROM system_schema.columns"
    local expected = #cqlua.assert(db:all(text))
    local keys = {}
    for index = 1, 200 do keys[index] = index end
    local counts = cqlua.assert(cqlua.map(keys, 50, function()
      return #cqlua.assert(db:all(text, nil, { page_size = 100 }))
    end))
    for index = 1, 200 do assert.equal(expected, counts[index]) end
    db:close()
  end)

  it("SEC1 refuses an authority that is not trusted", function()
    refused("tls_failed", "comes from '/CN=cqlua test authority', which is not trusted here: set tls.ca_file", true)
    refused("tls_failed", "not trusted here", { ca_file = mutual .. "/ca.pem" })
  end)

  it("SEC1 refuses a certificate for another name, and lists its names", function()
    refused("tls_failed", "not for db.example: it is for localhost, 127%.0%.0%.", {
      ca_file = folder .. "/ca.pem", identity = { "db.example" },
    })
  end)

  it("SEC2 identity = \"chain\" takes any name, the insecure option anyone", function()
    for _, tls in ipairs { { ca_file = folder .. "/ca.pem", identity = "chain" }, { insecure_skip_verify = true } } do
      local db = cqlua.assert(connect(tls))
      live.assert_usable(db)
      db:close()
    end
  end)

  it("SEC1 refuses an expired certificate, with its date", function()
    local server = "exec openssl s_server -www -accept 127.0.0.1:19061 -cert %s/old.pem -key %s/old.key"
    with_server(server:format(place, place), function()
      refused("tls_failed", "expired on 2020%-02%-01", { ca_file = folder .. "/ca.pem" },
        { contact_points = { "127.0.0.1:19061" } })
    end)
  end)

  it("C1 without a client certificate the error says that the server wants one", function()
    refused("tls_failed", "asks for a client certificate: set tls.cert_file and tls.key_file",
      { ca_file = mutual .. "/ca.pem" }, { contact_points = { mutual_point } })
  end)

  it("C1 a client certificate of another authority is refused", function()
    refused("tls_failed", "client certificate", {
      ca_file = mutual .. "/ca.pem", cert_file = folder .. "/client.pem", key_file = folder .. "/client.key",
    }, { contact_points = { mutual_point } })
  end)

  it("shows its certificate to a server that asks for it, from files or from texts", function()
    local files = { cert_file = mutual .. "/client.pem", key_file = mutual .. "/client.key" }
    local texts = { cert = contents(files.cert_file), key = contents(files.key_file) }
    for _, tls in ipairs { files, texts } do
      tls.ca_file = mutual .. "/ca.pem"
      local db = cqlua.assert(connect(tls, { contact_points = { mutual_point }, connections = { 3, 3 } }))
      live.assert_usable(db)
      db:close()
    end
  end)

  it("fault 68 TLS to a plain port is told at once", function()
    refused("tls_failed", "speaks CQL without TLS on this port", true, { contact_points = live.points })
  end)

  it("fault 68 a plain session at a TLS port is told what the port may want", function()
    local err = live.failed("no_nodes", connect(nil, { connect_timeout = 2 }))
    assert.matches("set tls", err.message)
  end)

  it("fault 68 an HTTP server is told at once", function()
    local answer = "HTTP/1.1 400 Bad Request\\r\\n\\r\\n"
    local perl = ([[exec perl -MIO::Socket::INET -e '$s = IO::Socket::INET->new(LocalAddr => "127.0.0.1:19062", Listen => 5,
      ReuseAddr => 1); while ($c = $s->accept) { $c->sysread($_, 9); $c->syswrite("%s"); sleep 1; close $c }']]):format(answer)
    with_server(perl, function()
      refused("tls_failed", "looks like HTTP", true, { contact_points = { "127.0.0.1:19062" } })
    end)
  end)

  it("bad options raise before anything is sent", function()
    local err = live.raised(connect, { ca_file = "/nowhere/ca.pem" })
    assert.matches("connect: tls.ca_file '/nowhere/ca.pem' cannot be read", tostring(err))
    assert.matches("did you mean 'ca_file'", tostring(live.raised(connect, { ca_flie = "x" })))
    assert.matches("host names", tostring(live.raised(connect, { identity = "db.example" })))
  end)
end)
