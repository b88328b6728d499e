// SPDX-License-Identifier: Apache-2.0

/// How a metastore in PostgreSQL is reached.
package struct PostgresSettings: Sendable {
    /// Where statements go; a pooler may stand before the server.
    package var address: PostgresAddress
    /// Where locks are held and doorbells heard: a connection of its own to the server itself.
    package var direct: PostgresAddress
    /// Whether statements go to the server itself.
    var isDirect: Bool { address.uri == direct.uri }
    /// Whether statements are prepared once, under a name; false for a pooler that forgets names.
    package var prepares: Bool

    package init(url: String, listenURL: String? = nil, prepares: Bool = true) throws {
        address = try PostgresAddress(url)
        direct = try listenURL.map { try PostgresAddress($0) } ?? address
        self.prepares = prepares
    }
}
