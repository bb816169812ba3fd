# ./dev lint and ./dev format.

c_files() { find include src lua/bind spec examples bench fuzz -name '*.[ch]' 2>/dev/null | sort; }
lua_files() { find lua spec examples bench tools library -name '*.lua' 2>/dev/null | sort; }
shell_files() {
    ls tools/dev/*.sh
    find dev .ci tools bench -type f -exec grep -lE '^#!.*[/ ](ba)?sh$' {} +
}

lint_lua() {
    local files
    mapfile -t files < <(lua_files; grep -l '^#!.*luajit' tools/check-*)
    luacheck --quiet --codes --no-color "${files[@]}"
}

# The rules that are left out: unused functions (a library's are used by others), missing system headers, style hints.
lint_cppcheck() {
    local files
    mapfile -t files < <(find src lua/bind examples -name '*.c')
    cppcheck --quiet --std=c11 --language=c --enable=warning,performance,portability --inline-suppr --error-exitcode=1 -j 2 \
        --suppress=missingIncludeSystem --suppress=unusedFunction --suppress=normalCheckLevelMaxBranches \
        --suppress=preprocessorErrorDirective -Iinclude -Isrc -Ilua/bind "${files[@]}"
}

lint_format() {
    local files
    files=$(c_files | xargs -r clang-format --dry-run 2>&1 | sed -n 's/^\([^: ]*\):.*-Wclang-format.*/\1/p' | sort -u)
    [ -n "$files" ] || return 0
    printf '%s is not formatted: ./dev format\n' $files
    return 1
}

lint_shell() {
    local file status=0
    for file in $(shell_files | sort -u); do bash -n "$file" || status=1; done
    if have shellcheck; then shell_files | sort -u | xargs shellcheck -x -S warning || status=1; fi
    return $status
}

lint_checks() {
    local check status=0
    for check in tools/check-*; do "$check" || status=1; done
    return $status
}

linters() {
    local status=0
    step "lint: luacheck" lint_lua || status=1
    step "lint: cppcheck" lint_cppcheck || status=1
    step "lint: clang-format" lint_format || status=1
    step "lint: shell syntax" lint_shell || status=1
    return $status
}

dev_lint() {
    no_more_arguments lint "$@"
    local status=0
    linters || status=1
    step "lint: layers, kernel, promises, style, rock" lint_checks || status=1
    return $status
}

dev_format() {
    no_more_arguments format "$@"
    step "format: C" format_c
    if have stylua; then
        step "format: Lua" stylua lua spec examples bench tools
    else
        echo "format: Lua is left as it is, for stylua is not installed"
    fi
}

format_c() { c_files | xargs -r clang-format -i; }
