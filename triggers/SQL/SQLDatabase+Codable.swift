// SPDX-License-Identifier: Apache-2.0

extension SQLDatabase: Codable {
    private enum CodingKeys: String, CodingKey {
        case sqlite, postgres, secret
    }

    /// Reads `{"sqlite": path}`, `{"postgres": {…}}` or `{"secret": reference}`.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        if let path = try container.decodeIfPresent(String.self, forKey: .sqlite) {
            self = .sqlite(path)
        } else if let name = try container.decodeIfPresent(String.self, forKey: .secret) {
            self = .secret(name)
        } else {
            self = .postgres(try container.decode(PostgresServer.self, forKey: .postgres))
        }
    }

    /// Writes what is read.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        switch self {
        case .sqlite(let path): try container.encode(path, forKey: .sqlite)
        case .postgres(let server): try container.encode(server, forKey: .postgres)
        case .secret(let name): try container.encode(name, forKey: .secret)
        }
    }
}

extension PostgresServer: Codable {
    private enum CodingKeys: String, CodingKey {
        case host, port, database, user, password, tls, ca
    }

    /// Reads a server; port, password, TLS and authorities may be missing.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            host: try container.decode(String.self, forKey: .host),
            port: try container.decodeIfPresent(Int.self, forKey: .port) ?? 5_432,
            database: try container.decode(String.self, forKey: .database),
            user: try container.decode(String.self, forKey: .user),
            password: try container.decodeIfPresent(SQLPassword.self, forKey: .password),
            tls: try container.decodeIfPresent(TLS.self, forKey: .tls) ?? .prefer,
            ca: try container.decodeIfPresent(String.self, forKey: .ca))
    }

    /// Writes what is read.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(host, forKey: .host)
        try container.encode(port, forKey: .port)
        try container.encode(database, forKey: .database)
        try container.encode(user, forKey: .user)
        try container.encodeIfPresent(password, forKey: .password)
        try container.encode(tls, forKey: .tls)
        try container.encodeIfPresent(ca, forKey: .ca)
    }
}

extension SQLPassword: Codable {
    private enum CodingKeys: String, CodingKey {
        case environment, secret
    }

    /// Reads `{"secret": name}` or `{"environment": name}`; a password itself is no reference.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        if let name = try container.decodeIfPresent(String.self, forKey: .secret) {
            self = .secret(name)
        } else {
            self = .environment(try container.decode(String.self, forKey: .environment))
        }
    }

    /// Writes the reference, never what it stands for.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        switch self {
        case .environment(let name): try container.encode(name, forKey: .environment)
        case .secret(let name): try container.encode(name, forKey: .secret)
        }
    }
}
