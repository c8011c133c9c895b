r"""By what text a program or library that nobody packaged says its version, for those that are found in images.

After the classifiers of syft, and the programs themselves. In a pattern `<0>` is a zero byte, `<2>` a version of two numbers, `<3>`
of three, `<2-3>` of either, `<named>` the number in the file's name; what is in the first parentheses is the version. Each pattern
has bounds, so that hyperscan finds where it may be and Python what is there, in some hundred bytes.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """`files` are patterns of basenames; `versions` are tried in turn; `needs` is another text of it.

    `path` is a part of the path without which it is another program. Of those that a file may be, the first is the one whose
    version is found, and those that are `besides` it are there as well.
    """

    name: str
    files: tuple[str, ...]
    versions: tuple[str, ...]
    needs: str = ""
    path: str = ""
    namespace: str = ""
    besides: bool = False


def _program(name: str, files: str, *versions: str, needs: str = "", path: str = "", namespace: str = "") -> Program:
    return Program(name=name, files=tuple(files.split()), versions=versions, needs=needs, path=path, namespace=namespace)


_BEATS = (r"Test (<3>)[a-z%]", r"plugin(?:output)?(<3>)[-a-z]", r"5m\.rate(<3>)-")
_OTP = (r"/src/otp_src_(<2-4>(?:-rc[0-9])?)/erts/", r"/usr/local/src/otp-(<2-4>(?:-rc[0-9])?)/erts/")
_ISTIO_VERSION = r"(<3>(?:-(?:alpha|beta|rc)\.[0-9]{1,2}|-dev)?)"
_ISTIO = (
    rf"<3><0>{{1,16}}{_ISTIO_VERSION}<0>",
    rf"Clean<0>{{1,16}}{_ISTIO_VERSION}<0>",
    r"Modified<0>{1,16}(<2>-dev)<0>",
    rf"{_ISTIO_VERSION}<0>{{1,16}}.{{1,100}}S?=v<y5",
)
_CLUSTER = r"/mysql-cluster-gpl-(<mysql>)/"
_NUL_VERSION = r"<0>{1,8}(<2-3>(?:alpha[0-9]|beta[0-9]|rc[0-9])?)<0>{1,16}mysql"

_LANGUAGES = (
    _program(
        "python", "python[23].* libpython[23].*.so*", r"<0>(<named>[-._a-zA-Z0-9+]{0,24})<0>", r"/Python-(<named>\.[0-9]{1,3})<0>"
    ),
    _program("pypy", "libpypy*.so*", r"\[PyPy (<3>)"),
    _program("go", "go go.exe", r"go(<2>(?:\.[0-9]{1,3}|(?:beta|alpha|rc)[0-9]{1,2})?)<0>"),
    _program(
        "julia",
        "libjulia-internal.so* libjulia.so*",
        r"<0>__init__<0>(<3>(?:-(?:alpha|beta|rc)[0-9])?)<0>(?:branch|verify_methods)",
        r"(<3>(?:-(?:alpha|beta|rc)[0-9])?)<0>branch<0>",
        r"<0>verify_methods<0>.{0,30}?(<3>(?:-(?:alpha|beta|rc)[0-9])?)<0>BigInt",
        r"<0>(<3>(?:-(?:alpha|beta|rc)[0-9])?)<0>julia version",
        r"<0>#kw#<0>(<3>(?:-(?:alpha|beta|rc)[0-9])?)<0>(?:BigInt|_require_dependencies)",
        r"<0>ObjectIdDict<0>(<3>(?:-(?:alpha|beta|rc)[0-9])?)<0>jl_sysimg_cpu_target",
    ),
    _program("node", "node nodejs", r"<0>(?:node )?v([0456]\.[0-9]{1,3}\.[0-9]{1,3})<0>", r"node\.js/v(<3>)"),
    _program("perl", "perl perl5.*", r"/perl5?/(5\.[0-9]{1,2}\.[0-9]{1,2})", r"<0>v(5\.[0-9]{1,2}\.[0-9]{1,2})<0>"),
    _program("composer", "composer composer.phar", r"'pretty_version'\s{0,4}=>\s{0,4}'(<3>(?:(?:beta|alpha|RC)[0-9]{1,2})?)'"),
    _program("php-cli", "php php[0-9] php[0-9][0-9] php[0-9].[0-9]", r"X-Powered-By: PHP/(<3>(?:(?:beta|alpha|RC)[0-9]{1,2})?)"),
    _program("php-fpm", "php-fpm*", r"X-Powered-By: PHP/(<3>(?:(?:beta|alpha|RC)[0-9]{1,2})?)"),
    _program("libphp", "libphp*.so", r"X-Powered-By: PHP/(<3>(?:(?:beta|alpha|RC)[0-9]{1,2})?)"),
    _program(
        "rust",
        "libstd-????????????????.so libstd-????????????????.dylib",
        r"<0>clang LLVM \(rustc version (<2-3>) \([0-9a-f]{6,12} [0-9]{4}-[0-9]{2}-[0-9]{2}\)",
        r"c (<2-3>) \([0-9a-f]{6,12} [0-9]{4}-[0-9]{2}-[0-9]{2}\)",
    ),
    _program("ruby", "ruby libruby*.so*", r"ruby (<3>(?:(?:p|preview|rc|dev)[0-9]{0,5})?) "),
    _program(
        "erlang",
        "erlexec beam.smp liberts_internal.a",
        *_OTP,
        r"<0>(<2-4>(?:-rc[0-9])?)<0>{1,16}Erlang/OTP",
        r"Erlang/OTP.{1,150}?<0>(<2-4>(?:-rc[0-9])?)<0>",
    ),
    _program(
        "elixir",
        "elixir elixir.app",
        r"ELIXIR_VERSION=(<3>(?:-[a-z0-9]{1,8}(?:\.[0-9]{1,2})?)?)",
        r'\{vsn,"(<3>(?:-[a-z0-9]{1,8}(?:\.[0-9]{1,2})?)?)"\}',
    ),
    _program("swipl", "swipl libswipl.so*", r"swipl-(<3>)/"),
    _program("dart", "dart", r"<0>(<3>(?:-[0-9]{1,4}(?:\.[0-9]{1,3})?\.beta)?) \("),
    _program(
        "deno",
        "deno",
        r"Deno/(<3>)(?:Deno/|cli/)",
        r"Deno/(<3>)",
        r"deno-canary/[0-9a-z]{40}(<3>)",
        r"deno-[0-9a-z]{40}release/v(<3>)",
        r"deno-[0-9a-z]{40}(<3>)",
        r"(<3>)[0-9a-z]{40}DENO",
    ),
    _program("bun", "bun", r"[Bb]un v?(<3>)", r"bun-(<3>)"),
    _program(
        "ghc",
        "ghc ghc-[0-9]*",
        r"<0>GHC (<3>)<0>",
        r"<0>libHSghc-(<3>)-(?:[a-zA-Z0-9]{1,32}-)?ghc<3>\.so<0>",
        namespace="haskell",
    ),
    _program(
        "cabal",
        "cabal",
        r"<0>Cabal-(<3>(?:\.[0-9]{1,3})?)-",
        r"cabal-install-(<3>(?:\.[0-9]{1,3})?)-[a-zA-Z0-9]",
        namespace="haskell",
    ),
    _program("stack", "stack", r"Version\s{0,4}(<3>),\s{0,4}Git", namespace="haskell"),
    _program("gcc", "gcc gcc-[0-9]*", r"GCC: \(GNU\) (<3>)"),
    _program("lua", "lua lua5.* luajit*", r"<0>Lua (5\.[0-9]\.[0-9]{1,2})", r"LuaJIT (2\.[0-9]\.[0-9a-z.-]{1,16})"),
)

_JAVA_RELEASE = r"[0-9][.0-9]{0,8}"
_JAVA_VERSION = r"([0-9][^\x00]{1,64})"
_JAVA = (
    _program(
        "graalvm", "java jdb", r"<0>([0-9]{1,3}[.0-9]{1,16}\+[0-9]{1,3}-jvmci-[0-9][.0-9]{1,12}-b[0-9]{1,4})<0>", namespace="oracle"
    ),
    _program(
        "zulu",
        "java jdb",
        rf"<0>(?:java|jdb)<0>{_JAVA_RELEASE}<0>{_JAVA_VERSION}<0>",
        rf"<0>{_JAVA_RELEASE}<0>{{1,16}}{_JAVA_VERSION}<0>{{1,16}}openjdk",
        path="zulu",
        namespace="azul",
    ),
    _program(
        "openjdk",
        "java jdb",
        rf"<0>openjdk<0>java<0>{_JAVA_RELEASE}<0>{_JAVA_VERSION}<0>",
        rf"<0>{_JAVA_RELEASE}<0>{{1,16}}{_JAVA_VERSION}<0>{{1,16}}openjdk<0>java",
        namespace="oracle",
    ),
    _program(
        "java",
        "java",
        rf"<0>java<0>{{1,8}}{_JAVA_RELEASE}<0>{{1,8}}([0-9][-._a-zA-Z0-9]{{1,64}})<0>",
        path="/ibm/",
        namespace="ibm",
    ),
    _program("java_sdk", "jdb", r"<0>java<0>.{1,200}?<0>([0-9][-._a-zA-Z0-9]{1,64})<0>", path="/ibm/", namespace="ibm"),
    _program("jre", "java", r"<0>([0-9]{1,3}[.0-9]{1,12}\+[-0-9]{1,12})<0>", needs="openjdk", namespace="oracle"),
    _program("openjdk", "jdb", r"<0>(<3>(?:\+[0-9]{1,4})?[-._a-zA-Z0-9]{0,24})<0>", needs="openjdk", namespace="oracle"),
    _program("jdk", "jdb", r"<0>(<3>(?:\+[0-9]{1,4})?[-._a-zA-Z0-9]{0,24})<0>", namespace="oracle"),
    _program("jre", "java", r"<0>([0-9]{1,3}\.[0-9]{1,3}\.[-._+a-zA-Z0-9]{1,32})<0>", namespace="oracle"),
)

_PRE = r"(?:-(?:alpha|beta|rc)\.?[0-9]{0,2})?"
_STAGE = r"(?:-beta[0-9]|-test|-preview)?"
_NEW_GRAFANA = rf"([0-9]{{2}}\.<2>{_STAGE})(?:\+security-[0-9]{{1,3}})?"
_OLD_GRAFANA = rf"([0-9]\.<2>{_STAGE})(?:\+security-[0-9]{{1,3}})?"
_ENVOY = r"(?:-dev)?"
_SERVERS = (
    _program(
        "redis",
        "redis-server redis-check-rdb redis-check-aof",
        r"[^0-9](<3>)buildkitsandbox-[0-9]",
        r"[^0-9](<3>)[0-9A-Za-z_]{12}-[0-9]",
        r"Redis version (<3>)",
        r"<0>Redis <3> <0>(<3>)",
    ),
    _program("valkey", "valkey-server", r"[^0-9](<3>)buildkitsandbox-[0-9]", r"[^0-9](<3>)[0-9A-Za-z_]{12}-[0-9]"),
    _program(
        "haproxy",
        "haproxy",
        r"version (<2>(?:\.|-dev|-rc)[0-9]{1,3})(?:-[a-z0-9+~.]{1,24})?, released 20",
        r"HA-Proxy version (<2>(?:\.|-dev)[0-9]{1,3})",
        r"(<2>(?:\.|-dev)[0-9]{1,3})-[0-9a-zA-Z]{7}.{1,200}?HAProxy version",
    ),
    _program("httpd", "httpd apache2", r"Apache/(<3>)"),
    _program("memcached", "memcached", r"memcached\s(<3>)"),
    _program(
        "traefik",
        "traefik",
        r"<0>v?(<3>(?:-(?:alpha|beta|rc)\.?[0-9]{1,2})?)<0>",
        r"[\x80-\xff].?(<3>(?:-(?:alpha|beta|rc)\.?[0-9]{1,2})?)<0>",
    ),
    _program("arangodb", "arangosh arangod", r"(<3>(?:-[0-9]{1,2})?)\s(?:enterprise\s)?\[linux\]"),
    _program("postgresql", "postgres", r"[\x00?]PostgreSQL ([0-9]{1,2}(?:\.[0-9]{1,2}){0,2}(?:(?:alpha|beta|rc)[0-9])?)"),
    _program("percona-server", "mysql", r"/percona-server-(<mysql>)"),
    _program("percona-xtradb-cluster", "mysql", r"/Percona-XtraDB-Cluster-(<mysql>)"),
    _program("percona-xtrabackup", "xtrabackup", r"/percona-xtrabackup-(<3>)", r"/percona-xtrabackup-(<mysql>)"),
    _program("mariadb", "mariadb mysql mariadbd", r"(<mysql>)-MariaDB", r"(?:<0>|/)mariadb-(<mysql>)-"),
    _program("mysql", "mysql", _NUL_VERSION, r"/mysql-(<mysql>)"),
    Program(name="mysql-server", files=("mysqld",), versions=(r"cluster-gpl<0>(<2-3>)-ndb-[0-9]",), besides=True),
    _program("mysql-cluster", "mysqld", r"cluster-gpl<0><2-3>-ndb-(<2-3>)", _CLUSTER),
    _program("mysql-server", "mysqld", r"/mysql-(<mysql>)/"),
    _program("mysql-cluster", "ndbd ndbmtd ndb_mgmd", _CLUSTER),
    _program("mongodb", "mongod mongos", r"(<3>)<0>tcmalloc", r"(<3>)<0>{1,16}heap_size", r"(<3>)<0>{1,16}cppdefines"),
    _program("nginx", "nginx", r"[\x00?]nginx version: [^/]{1,32}/(<3>(?:\+[0-9]{1,4})?(?:-[0-9]{1,4})?)"),
    _program("lighttpd", "lighttpd", r"<0>lighttpd/(<3>)<0>"),
    _program("proftpd", "proftpd", r"<0>ProFTPD Version (<3>[a-z]?)<0>"),
    _program("varnish", "varnishd", r"varnish-(<3>) revision"),
    _program("squid", "squid", r"<0>squid/(<2-3>)"),
    _program("unbound", "unbound", r"<0>unbound (<3>)", r"Version (<3>)<0>"),
    _program("bind", "named", r"<0>BIND (9\.[0-9]{1,2}\.[0-9]{1,2})", r"<0>(9\.[0-9]{1,2}\.[0-9]{1,2})(?:-[^\x00]{1,48})?<0>"),
    _program("dnsmasq", "dnsmasq", r"dnsmasq-(<2>)"),
    _program("dovecot", "dovecot", r"<0>(2\.[0-9]\.[0-9]{1,2}(?:\.[0-9])?) \([0-9a-f]{6,12}\)<0>"),
    _program("mosquitto", "mosquitto", r"<0>(<3>)<0>mosquitto version"),
    _program("openssh", "sshd ssh", r"OpenSSH_([0-9]{1,2}\.[0-9]p[0-9])"),
    _program("tor", "tor", r"[(\x00][Tt]or (0\.[0-9]\.[0-9]{1,2}\.[0-9]{1,2})"),
    _program("openvpn", "openvpn", r"OpenVPN (2\.[0-9]\.[0-9]{1,2}) [a-z0-9_]{1,16}-"),
    _program("fluent-bit", "fluent-bit", r"<0>(<3>)<0>(?:\x1b\[1m<0>|<0>|<0><0>)?(?:%s)?Fluent"),
    _program(
        "envoy",
        "envoy",
        rf"<0>(1\.3[0-9]\.[0-9]{{1,3}}{_ENVOY})<0>.{{0,1000}}?envoy[_.]reloadable_features",
        rf"envoy_quic_.{{0,1000}}?<0>(1\.2[0-9]\.[0-9]{{1,3}}{_ENVOY})<0>",
        rf"<0>(1\.[12][0-9]\.[0-9]{{1,3}}{_ENVOY})<0>.{{0,1000}}?Unable to",
        rf"<0>(1\.[12][0-9]\.[0-9]{{1,3}}{_ENVOY})<0>.{{0,1000}}?ValidationError",
        rf"\[source/.{{0,200}}?<0>(1\.1[0-9]\.[0-9]{{1,3}}{_ENVOY})<0>",
        rf"<0>(1\.[0-9]\.[0-9]{{1,3}}{_ENVOY})<0>.{{0,20}}?RELEASE",
        rf"<0>(1\.[23][0-9]\.[0-9]{{1,3}}{_ENVOY})<0>envoy[/._:]",
        rf"<0>(1\.[23][0-9]\.[0-9]{{1,3}}{_ENVOY})<0>.{{0,1000}}?envoy[./_]",
        rf"<0>(1\.3[0-9]\.[0-9]{{1,3}}{_ENVOY})<0>TLS ",
    ),
)

# Most are of Go, and say their version there as well, unless they were built without it.
_OF_GO = (
    _program(
        "helm",
        "helm",
        rf"<0>v(<3>{_PRE})<0>{{2}}",
        rf"v(<3>{_PRE})<0>{{1,16}}.{{1,500}}?go<3><0>",
        rf"<0>v(<3>{_PRE})<0>",
        rf"@v(<3>{_PRE})<0>",
    ),
    _program("consul", "consul", r"CONSUL_VERSION: (<3>)", r'GitDescribe=(<3>)"', r"<0>v(<3>)<0>"),
    _program(
        "vault",
        "vault",
        r"revoke(<3>)",
        r"state(<3>-rc[0-9])",
        r"016x(1\.1[134]\.[0-9]{1,2})",
        r"<0>(1\.[0-9][01]?\.[0-9]{1,2})<0>",
    ),
    _program("pilot-discovery", "pilot-discovery", *_ISTIO),
    _program("pilot-agent", "pilot-agent", *_ISTIO),
    _program(
        "grafana",
        "grafana",
        r"<0>([0-9]{2}\.[0-9]{1,3}\.[0-9]{1,3}-[0-9]{6,12})<0>",
        rf"<0>release-{_NEW_GRAFANA}<0>",
        rf"<0>go1\.<2><0>{{1,16}}{_NEW_GRAFANA}<0>.{{1,500}}?\+DT",
        rf"{_NEW_GRAFANA}<0>{{1,16}}\$a",
        rf"<0>.(10\.<2>{_STAGE})(?:\+security-[0-9]{{1,3}})?<0>",
        rf"{_NEW_GRAFANA}<0>.{{1,100}}?<0>go1\.<2><0>.{{1,100}}?\+DT",
        rf"(<3>{_STAGE})(?:\+security-[0-9]{{1,3}})?<0>{{1,16}}v<2>\.x<0>",
        rf"HEAD<0>.{{0,100}}?<0>{_OLD_GRAFANA}<0>",
        rf"[a-z0-9]<0>{{1,16}}{_OLD_GRAFANA}<0>{{1,16}}/usr/local/go",
    ),
    _program(
        "grafana",
        "grafana-server",
        rf"[a-z0-9]<0>{{1,16}}{_OLD_GRAFANA}<0>{{1,16}}/usr/local/go",
        rf"HEAD<0>.{{0,100}}?<0>{_OLD_GRAFANA}<0>",
        rf"<0>{_OLD_GRAFANA}<0>.{{1,1000}}?<0>/u",
    ),
    _program(
        "nginx-ingress-controller",
        "nginx-ingress-controller",
        r"v(<3>(?:-(?:alpha|beta)\.[0-9]{1,2})?)<0><0>",
        r"v(<3>)<0>{1,16}.{0,50}?go<2>(?:-(?:alpha|beta)\.[0-9])?\.[0-9]{1,3}<0>",
        r"v(<3>(?:-(?:alpha|beta)\.[0-9])?)<0>{1,16}.{0,800}?\$a",
        r"<0>v?(<3>(?:-(?:alpha|beta)\.[0-9])?)<0>{1,16}.{0,100}?S=v<y5",
    ),
    *(_program(name, name, *_BEATS) for name in ("filebeat", "metricbeat", "heartbeat", "packetbeat", "auditbeat")),
    _program("elastic-agent", "elastic-agent", r"enroll(?:: true)?(<3>)-?header", r"PM(<3>):https"),
)

_TOOLS = (
    _program("busybox", "busybox [", r"BusyBox\s{1,4}v(<3>)"),
    _program("util-linux", "getopt", r"<0>util-linux\s(<2-3>)<0>"),
    _program("bash", "bash", r"@\(#\)Bash version (<3>)\([0-9]\) [a-z0-9]{1,12} GNU"),
    _program("aws-lc", "openssl", r"AWS-LC (<3>)\)<0>"),
    _program("openssl", "openssl libcrypto.so*", r"<0>OpenSSL (<3>(?:[a-z]{1,2}|-(?:alpha|beta|rc)[0-9])?)[ \x00]"),
    _program("openldap", "ldapsearch", r"\$OpenLDAP:\sldapsearch\s(<3>)"),
    _program("wp-cli", "wp wp-cli.phar", r"wp-cli/wp-cli (<3>)"),
    _program("curl", "curl libcurl.so*", r"curl/(<3>)"),
    _program("wget", "wget", r"<0>(1\.[0-9]{1,2}(?:\.[0-9])?)<0>"),
    _program("git", "git", r"<0>git version (<2-3>)", r"git/(<3>)<0>", r"<0>(2\.[0-9]{1,2}\.[0-9]{1,2})<0>"),
    _program("rsync", "rsync", r"<0>(3\.[0-9]\.[0-9]{1,2})<0>"),
    _program("zstd", "zstd", r"<0>v(<3>)<0>", r"v(<3>)<0>"),
    _program("xz", "xz", r"<0>xz \(XZ Utils\) (<3>)<0>"),
    _program("gzip", "gzip", r"<0>([0-9]\.[0-9]{1,2})<0>", needs="%s: %s: not in gzip format"),
    _program("jq", "jq", r"<0>(?:jq-)?([0-9]\.[0-9]{1,2}(?:\.[0-9]{1,2})?)(?:-[^\x00]{1,24})?<0>"),
    _program("sqlcipher", "sqlcipher", r"[^0-9]<0>(<3>)<0>"),
    _program("ffmpeg", "ffmpeg ffprobe", r"%s version (<2-3>)"),
    _program("ffmpeg", "libav* libswresample*", r"FFmpeg version (<2-3>)", r"Lavc(<3>)", r"Lavf(<3>)"),
    _program("chrome", "chrome", r"<0>([0-9]{2,3}\.[0-9]\.[0-9]{1,5}\.[0-9]{1,4})<0>Default"),
    _program(
        "firefox",
        "application.ini",
        r"Name=Firefox\r?\n.{0,400}?Version=([0-9]{1,3}(?:\.[0-9]{1,3}){1,3}(?:[A-Za-z][0-9A-Za-z.-]{0,16})?)\r?\n",
    ),
)

_LIBRARIES = (
    _program("qtbase", "libQt*Core.so*", r"<0><0>Qt (<3>) \(", r"QtCore library version (<3>)"),
    _program("krb5", "libkrb5.so*", r"<0>KRB5_BRAND:\s{1,4}krb5-[^\s]{1,24}\s{1,4}(<2-3>)[\s\x00]"),
    _program("heimdal-krb5", "libkrb5.so*", r"\$Version:\s{1,4}Heimdal\s{1,4}(<2-3>)[\s\x00]"),
    _program("zlib", "libz.so*", r" deflate (<2-4>) Copyright"),
    _program("libpng", "libpng1*.so*", r"libpng version (<3>)"),
    _program("libjpeg-turbo", "libjpeg.so*", r"libjpeg-turbo version (<3>)"),
    _program("expat", "libexpat.so*", r"<0>expat_(<3>)<0>"),
    _program("glibc", "libc.so.6 libc-2.*.so", r"GNU C Library .{1,64}?release version (<2>)"),
    _program("sqlite", "libsqlite3.so* sqlite3", r"<0>(3\.[0-9]{1,2}\.[0-9]{1,2})<0>"),
)

PROGRAMS = (*_LANGUAGES, *_JAVA, *_SERVERS, *_OF_GO, *_TOOLS, *_LIBRARIES)
