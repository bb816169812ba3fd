# A certificate authority of the instance's own, a server certificate for its nodes and one for clients.

make_certificates() {
    local folder names i
    folder=$(instance_folder)/tls names=DNS:localhost
    for ((i = 1; i <= nodes; i++)); do names+=,IP:$(address_of "$i"); done
    if [ -f "$folder/names" ] && [ "$(<"$folder/names")" = "$names" ]; then return 0; fi
    have openssl || die "openssl is missing: ./dev setup"
    mkdir -p "$folder"
    step "certificates for $names" write_certificates "$folder" "$names" || return 1
    echo "$names" >"$folder/names"
}

write_certificates() { # FOLDER NAMES
    cd "$1" || return 1
    openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj "/CN=cqlua test authority" -keyout ca.key -out ca.pem &&
        sign_certificate server "/CN=localhost" "subjectAltName=$2" &&
        sign_certificate client "/CN=cqlua" "extendedKeyUsage=clientAuth" &&
        cat server.key server.crt ca.pem >server.pem && mv client.crt client.pem
}

sign_certificate() { # NAME SUBJECT EXTENSION
    openssl req -newkey rsa:2048 -nodes -subj "$2" -keyout "$1.key" -out "$1.csr" &&
        openssl x509 -req -in "$1.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -days 3650 -extfile <(echo "$3") -out "$1.crt"
}
