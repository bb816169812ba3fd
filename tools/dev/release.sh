# ./dev release: the tarball and the rockspec of a version. It publishes nothing.

release_usage="release VERSION --source URL [--rev N] [--to FOLDER] [--allow-dirty]"

# The files of the release: those under version control, with --allow-dirty also new ones.
release_files() {
    local which=(--cached)
    [ "$1" = no ] || which+=(--others --exclude-standard)
    git ls-files -z "${which[@]}" | while IFS= read -r -d '' file; do
        [ ! -f "$file" ] || printf '%s\0' "$file"
    done
}

# pack TARBALL NAME DIRTY: the same files always give the same bytes.
pack() {
    release_files "$3" | LC_ALL=C sort -z |
        tar --create --null --no-recursion --files-from=- --mtime="@$(git log -1 --format=%ct)" --owner=0 --group=0 \
            --numeric-owner --mode=u=rwX,go=rX --format=ustar --transform="s,^,$2/," |
        gzip --no-name >"$1"
}

dev_release() {
    local version=${1:-} source= rev=1 to=$root/build/release dirty=no said md5
    [[ $version =~ ^[0-9]+\.[0-9]+\.[0-9]+$ ]] || die "release: which version? ./dev $release_usage"
    shift
    while [ $# -gt 0 ]; do
        case $1 in
            --source | --rev | --to)
                [ $# -gt 1 ] || die "release: $1 needs a value"
                declare "${1#--}=$2"
                shift
                ;;
            --allow-dirty) dirty=yes ;;
            *) die "release: unknown argument '$1'; ./dev $release_usage" ;;
        esac
        shift
    done
    [ -n "$source" ] || die "release: --source is missing: the address at which the tarball will be"
    said=$(sed -n 's/^#define CQLUA_VERSION "\([^"]*\)".*/\1/p' include/cqlua.h)
    [ "$said" = "$version" ] || die "release: include/cqlua.h says $said: change CQLUA_VERSION first"
    [ "$dirty" = yes ] || [ -z "$(git status --porcelain)" ] ||
        die "release: there are uncommitted changes (--allow-dirty takes them)"
    [[ $to = /* ]] || to=$called_from/$to
    mkdir -p "$to"
    local tarball=$to/cqlua-$version.tar.gz rockspec=$to/cqlua-$version-$rev.rockspec
    pack "$tarball" "cqlua-$version" "$dirty" || die "release: the tarball could not be made"
    md5=$(md5sum <"$tarball" | cut -d' ' -f1)
    source=$(sed 's/[&|\\]/\\&/g' <<<"$source")
    sed -e "s|^version = .*|version = \"$version-$rev\"|" \
        -e "s|^  url = .*|  url = \"$source\",\n  dir = \"cqlua-$version\",\n  md5 = \"$md5\",|" \
        -e '1s/.*/-- Made by .\/dev release./' rockspec/cqlua-scm-1.rockspec >"$rockspec"
    printf '%s\n' "$tarball" "$rockspec"
}
