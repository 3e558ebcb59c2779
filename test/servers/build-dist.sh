#!/usr/bin/env bash
# build-dist.sh VERSION DIR LAUNCHER.java [plugin zips g:a:v ...]
#
# Lays out DIR/home/{lib,modules,plugins} as an OpenSearch distribution has it, from Maven Central, in one mvn run,
# and compiles the launcher into DIR/launcher. DIR must be empty or absent. The caller holds the lock and says when DIR is complete.
#
# CLASSLOADER_VERSION names the version of opensearch-plugin-classloader, which is not published for every server version.
# MAVEN_REPO names a local repository other than Maven's own.
set -euo pipefail

version=$1 dir=$2 launcher=$3
shift 3
classloader=${CLASSLOADER_VERSION:-$version}
reactor=$dir/reactor
plugins_group=org.opensearch.plugin
projects=""

mkdir -p "$dir"/home/{lib,modules,plugins} "$dir/launcher" "$reactor"

pom() { # pom ARTIFACT CONTENT: one project of the reactor
	printf '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion><groupId>layout</groupId><artifactId>%s</artifactId><version>1</version><packaging>pom</packaging>%s</project>\n' "$1" "$2"
}

dependency() { # dependency g:a:v[:type]; a typed one comes without what it depends on
	local g a v t
	IFS=: read -r g a v t <<<"$1"
	printf '<dependency><groupId>%s</groupId><artifactId>%s</artifactId><version>%s</version>' "$g" "$a" "$v"
	[ -z "$t" ] || printf '<type>%s</type><exclusions><exclusion><groupId>*</groupId><artifactId>*</artifactId></exclusion></exclusions>' "$t"
	printf '</dependency>'
}

project() { # project NAME OUTPUT_DIR g:a:v[:type] ...
	local name=$1 out=$2 body x
	shift 2
	mkdir -p "$reactor/$name" "$out"
	body="<properties><outputDirectory>$out</outputDirectory></properties><dependencies>"
	for x in "$@"; do body+=$(dependency "$x"); done
	pom "$name" "$body</dependencies>" >"$reactor/$name/pom.xml"
	projects+="<module>$name</module>"
}

module() { # module NAME ARTIFACT CLASS [EXTENDED]
	local out=$dir/home/modules/$1
	project "$1" "$out" "$plugins_group:$2:$version"
	cat >"$out/plugin-descriptor.properties" <<-DESCRIPTOR
		name=$1
		description=$1
		classname=$3
		extended.plugins=${4:-}
		version=$version
		opensearch.version=$version
		java.version=11
		has.native.controller=false
	DESCRIPTOR
}

project lib "$dir/home/lib" "org.opensearch:opensearch:$version" \
	"org.opensearch:opensearch-plugin-classloader:$classloader" org.apache.logging.log4j:log4j-core:2.21.0
module transport-netty4 transport-netty4-client org.opensearch.transport.Netty4Plugin
module lang-painless lang-painless org.opensearch.painless.PainlessPlugin
module ingest-common ingest-common org.opensearch.ingest.common.IngestCommonPlugin lang-painless
module analysis-common analysis-common org.opensearch.analysis.common.CommonAnalysisPlugin lang-painless
module reindex reindex-client org.opensearch.index.reindex.ReindexPlugin
module lang-mustache lang-mustache-client org.opensearch.script.mustache.MustachePlugin
[ $# -eq 0 ] || project zips "$reactor/zips/out" "${@/%/:zip}"

pom reactor "<modules>$projects</modules>" >"$reactor/pom.xml"
mvn -q -B ${MAVEN_REPO:+"-Dmaven.repo.local=$MAVEN_REPO"} -f "$reactor/pom.xml" dependency:copy-dependencies -DincludeScope=runtime

# The server's own jars belong to the parent class loader; a second copy in a module would be refused as jar hell.
for jar in "$dir"/home/modules/*/*.jar; do
	[ ! -e "$dir/home/lib/${jar##*/}" ] || rm "$jar"
done
# These two modules extend lang-painless, which brings its SPI.
rm -f "$dir"/home/modules/{ingest-common,analysis-common}/opensearch-scripting-painless-spi*

# From 3.0 on XPlugin is called XModulePlugin.
for descriptor in "$dir"/home/modules/*/plugin-descriptor.properties; do
	class=$(sed -n 's/^classname=//p' "$descriptor")
	renamed=${class%Plugin}ModulePlugin
	for jar in "${descriptor%/*}"/*.jar; do
		[ -e "$jar" ] || continue
		if jar tf "$jar" | grep -qxF "${renamed//.//}.class"; then
			sed -i "s/^classname=.*/classname=$renamed/" "$descriptor"
		fi
	done
done

# Plugin zips unpack as they are; what they bring as configuration waits in extra-config.
for zip in "$reactor"/zips/out/*.zip; do
	[ -e "$zip" ] || continue
	out=$(mktemp -d "$reactor/zip.XXXXXX")
	(cd "$out" && jar xf "$zip")
	name=$(sed -n 's/^name=//p' "$out/plugin-descriptor.properties")
	mv "$out" "$dir/home/plugins/$name"
	chmod 755 "$dir/home/plugins/$name"
	if [ -d "$dir/home/plugins/$name/config" ]; then
		mkdir -p "$dir/extra-config"
		mv "$dir/home/plugins/$name/config" "$dir/extra-config/$name"
	fi
done

javac -cp "$dir/home/lib/*" -d "$dir/launcher" "$launcher"
rm -rf "$reactor"
