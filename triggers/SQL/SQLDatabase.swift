// SPDX-License-Identifier: Apache-2.0

internal import PerchSDK

/// Where a query goes.
public enum SQLDatabase: Hashable, Sendable {
    /// A file of SQLite, by its absolute path.
    case sqlite(String)
    /// A PostgreSQL server.
    case postgres(PostgresServer)
    /// Either of them, by a reference to its whole address, such as `conn:orders.uri`: it is looked up when the wait is
    /// armed, and never stored or shown.
    case secret(String)

    /// The database of a connection of the type `postgres`, `redshift` or `sqlite`; of its extra `sslmode` and
    /// `sslrootcert` count.
    public static func connection(_ id: String) -> SQLDatabase { .secret("conn:\(id).uri") }

    /// A database of a PostgreSQL server.
    ///
    /// - Parameters:
    ///   - host: A name, an address, or the absolute path of the folder of a Unix socket.
    ///   - password: A reference to it, such as `.secret("ORDERS_DB")`; without one libpq looks in its own places
    ///     (`PGPASSWORD`, the password file).
    ///   - ca: The path of a PEM file with the authorities that vouch for the server.
    public static func postgres(
        host: String, port: Int = 5_432, database: String, user: String, password: SQLPassword? = nil,
        tls: PostgresServer.TLS = .prefer, ca: String? = nil
    ) -> SQLDatabase {
        .postgres(
            PostgresServer(
                host: host, port: port, database: database, user: user, password: password, tls: tls, ca: ca))
    }

    /// What is wrong with it, in sentences. What holds templates is not looked at yet.
    public var problems: [String] {
        switch self {
        case .sqlite(let path):
            if path.hasPrefix("{{") { return [] }
            return path.hasPrefix("/") && !path.utf8.contains(0)
                ? [] : ["the database is '\(path.shown(120))'; it is the absolute path of a file"]
        case .postgres(let server): return server.problems
        case .secret(let name):
            if let problem = SecretReference.problem(name) { return [problem] }
            return name.hasPrefix("conn:") && !name.hasSuffix(".uri")
                ? ["a database is the whole of a connection, conn:ID.uri, not '\(name.shown(80))'"] : []
        }
    }
}

extension SQLDatabase: CustomStringConvertible {
    /// `sqlite:/data/orders.db`, `postgres://user@host:5432/database`, or the reference, `conn:orders.uri`.
    public var description: String {
        switch self {
        case .sqlite(let path): "sqlite:\(path)"
        case .postgres(let server): server.description
        case .secret(let name): name
        }
    }
}

/// A password by reference: it is looked up when the wait is armed, and never stored or shown.
public enum SQLPassword: Hashable, Sendable {
    /// What stands in an environment variable of the triggerer.
    case environment(String)
    /// A secret by its name, such as the variable `PERCH_SECRET_<name>` of the triggerer's environment; a part of a
    /// connection, `conn:ID.password`; a variable, `var:KEY`.
    case secret(String)

    /// The password of a connection.
    public static func connection(_ id: String) -> SQLPassword { .secret("conn:\(id).password") }

    /// What it stands for.
    /// - Throws: `PerchError` that names the reference, never a value.
    func resolved(_ environment: (String) -> String?, _ secrets: any SecretResolver) throws(PerchError) -> String {
        let (value, place) =
            switch self {
            case .environment(let name): (environment(name), "the environment variable \(name)")
            case .secret(let name): (secrets.secret(name), secrets.place(of: name))
            }
        guard let value else { throw PerchError(.notFound, "the password needs \(place), which is not set") }
        return value
    }
}

/// A database of a PostgreSQL server, and as whom it is asked.
public struct PostgresServer: Hashable, Sendable {
    /// How the connection is encrypted; the names are those of libpq's `sslmode`.
    public enum TLS: String, Codable, Hashable, Sendable, CaseIterable {
        case disable
        /// Encrypted where the server can.
        case prefer
        /// Encrypted, whoever the server is.
        case require
        /// Encrypted, with a certificate for its name.
        case verifyFull = "verify-full"
    }

    /// A name, an address, or the absolute path of the folder of a Unix socket.
    public var host: String
    public var port: Int
    public var database: String
    public var user: String
    public var password: SQLPassword?
    public var tls: TLS
    /// The path of a PEM file with the authorities that vouch for the server; nil: libpq's default.
    public var ca: String?

    /// A server from its parts.
    public init(
        host: String, port: Int = 5_432, database: String, user: String, password: SQLPassword? = nil,
        tls: TLS = .prefer, ca: String? = nil
    ) {
        self.host = host
        self.port = port
        self.database = database
        self.user = user
        self.password = password
        self.tls = tls
        self.ca = ca
    }

    var isUnixSocket: Bool { host.hasPrefix("/") }

    var problems: [String] {
        var problems: [String] = []
        if !(1...65_535).contains(port) { problems.append("the port is \(port); it is from 1 to 65535") }
        for (name, text) in [("host", host), ("database", database), ("user", user), ("ca", ca ?? "/")] {
            if text.isEmpty { problems.append("the \(name) is empty") }
            if text.utf8.contains(0) { problems.append("the \(name) holds a zero byte") }
        }
        // libpq would read a list of hosts, or a socket in no folder.
        if host.contains(where: { $0 == "," || $0 == "@" || $0 == "=" }) {
            problems.append("the host is '\(host.shown(120))'; it is one name, one address or the folder of a socket")
        }
        if database.contains("=") || database.hasPrefix("postgres://") || database.hasPrefix("postgresql://") {
            problems.append("the database is a name, not a connection string")
        }
        if let ca, !ca.hasPrefix("{{"), !ca.hasPrefix("/") {
            problems.append("'ca' is '\(ca.shown(200))'; it is the absolute path of a PEM file")
        }
        switch password {
        case nil: break
        case .secret(let name): if let problem = SecretReference.problem(name) { problems.append(problem) }
        case .environment(let name):
            if name.isEmpty || !name.utf8.allSatisfy(Self.isNameByte) {
                problems.append("the reference of a password is of letters, digits and '_', not '\(name.shown(40))'")
            }
        }
        return problems
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"): true
        default: false
        }
    }
}

extension PostgresServer: CustomStringConvertible {
    /// `postgres://user@host:5432/database`; never the password.
    public var description: String {
        let place = host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        return "postgres://\(user)@\(place)/\(database)"
    }
}
