/* Runs a target on files, or on all files of folders, once each: for compilers without libFuzzer, and for one crash under a
 * debugger. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "fuzz.h"

enum { PATH_SIZE = 4096 };

static void fail(const char *path)
{
    perror(path);
    exit(1);
}

/* The input lies in an allocation of exactly its size, so that a sanitizer sees the first byte read beyond. */
static void replay_file(const char *path, size_t size)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) fail(path);
    uint8_t *bytes = malloc(size == 0 ? 1 : size);
    if (bytes == NULL || fread(bytes, 1, size, file) != size) fail(path);
    fclose(file);
    if (getenv("FUZZ_SHOW") != NULL) fprintf(stderr, "%s\n", path);
    LLVMFuzzerTestOneInput(bytes, size);
    free(bytes);
}

static int replay(const char *path);

static int replay_folder(const char *path)
{
    int count = 0;
    DIR *folder = opendir(path);
    if (folder == NULL) fail(path);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        char inner[PATH_SIZE];
        if (entry->d_name[0] == '.') continue;
        snprintf(inner, sizeof inner, "%s/%s", path, entry->d_name);
        count += replay(inner);
    }
    closedir(folder);
    return count;
}

static int replay(const char *path)
{
    struct stat what;
    if (stat(path, &what) != 0) fail(path);
    if (S_ISDIR(what.st_mode)) return replay_folder(path);
    replay_file(path, (size_t)what.st_size);
    return 1;
}

int main(int argc, char **argv)
{
    int count = 0;
    for (int i = 1; i < argc; i++) count += replay(argv[i]);
    printf("%d inputs\n", count);
    return count > 0 ? 0 : 1;
}
