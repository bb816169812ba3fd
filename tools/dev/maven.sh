# Artifacts with all that they need, fetched with Maven into a folder that appears only when it is complete.
fetch_with_maven() { # FOLDER GROUP:ARTIFACT:VERSION...
    local folder=$1 partial=$1-partial-$$ group artifact version status=0
    shift
    mkdir -p "$partial" || return 1
    {
        echo '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
        echo '<groupId>cqlua</groupId><artifactId>fetched</artifactId><version>1</version><dependencies>'
        for artifact in "$@"; do
            IFS=: read -r group artifact version <<<"$artifact"
            echo "<dependency><groupId>$group</groupId><artifactId>$artifact</artifactId><version>$version</version></dependency>"
        done
        echo '</dependencies></project>'
    } >"$partial/pom.xml"
    mvn -q -B -f "$partial/pom.xml" dependency:copy-dependencies -DoutputDirectory="$partial/jars" &&
        mv "$partial/jars" "$folder" || status=1
    rm -rf "$partial"
    return $status
}
