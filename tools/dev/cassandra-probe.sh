# Does a node answer? A real exchange in the native protocol, in bash alone (openssl s_client where the node wants TLS).

is_open() { # ADDRESS PORT
    (exec 3<>"/dev/tcp/$1/$2") 2>/dev/null
}

# ask FRAME_IN_PRINTF_ESCAPES: sends it, reads one frame, prints the answer's opcode in hexadecimal.
ask() {
    local header
    printf "$1" >&"$to_server"
    header=$(timeout 5 dd bs=1 count=9 status=none <&"$from_server" | od -An -v -tx1 | tr -d ' \n')
    [ "${#header}" -eq 18 ] || return 1
    timeout 5 dd bs=1 count=$((16#${header:10:8})) status=none <&"$from_server" >/dev/null || return 1
    echo "${header:8:2}"
}

# OPTIONS is answered by SUPPORTED (6). With --auth: STARTUP, AUTHENTICATE (3), AUTH_RESPONSE, AUTH_SUCCESS (10).
exchange() {
    [ "$(ask '\x04\0\0\0\x05\0\0\0\0')" = 06 ] || return 1
    [ "$auth" = yes ] || return 0
    [ "$(ask '\x04\0\0\0\x01\0\0\0\x16\0\x01\0\x0bCQL_VERSION\0\x053.0.0')" = 03 ] || return 1
    [ "$(ask '\x04\0\0\0\x0f\0\0\0\x18\0\0\0\x14\0cassandra\0cassandra')" = 10 ]
}

cql_ready() { # NODE
    local address
    address=$(address_of "$1")
    is_open "$address" "$port" || return 1
    if [ "$tls" != no ]; then (tls_exchange "$address") 2>/dev/null; else (plain_exchange "$address") 2>/dev/null; fi
}

plain_exchange() { # ADDRESS
    exec 3<>"/dev/tcp/$1/$port"
    to_server=3 from_server=3
    exchange
}

tls_exchange() { # ADDRESS
    local folder
    folder=$(instance_folder)/tls
    coproc openssl s_client -quiet -connect "$1:$port" -CAfile "$folder/ca.pem" -verify_return_error \
        -cert "$folder/client.pem" -key "$folder/client.key" 2>/dev/null
    local client=$! status=0
    exec 3<&"${COPROC[0]}" 4>&"${COPROC[1]}" # bash keeps a coprocess' own descriptors from subshells
    to_server=4 from_server=3
    exchange || status=1
    kill "$client" 2>/dev/null || true
    return $status
}
