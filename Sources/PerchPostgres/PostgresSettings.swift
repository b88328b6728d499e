// SPDX-License-Identifier: Apache-2.0

internal import Glibc
package import PerchSDK

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

    /// Waits until the server and its pooler take connections, as after a power cut, when all machines start at once. It does not
    /// ask whether they take this one: an error that says why they do not is better told at once.
    ///
    /// - Parameters:
    ///   - patience: For so long; whoever then connects hears what is wrong.
    ///   - away: Is told once, where there is anything to wait for, by whom.
    package func awaitServer(patience: TimeSpan, away: (_ name: String) -> Void) {
        let deadline = ContinuousClock.now + .microseconds(patience.microseconds)
        var isSaid = false
        for address in isDirect ? [direct] : [direct, self.address] {
            while PostgresLink.isAway(address, patience: 2), ContinuousClock.now < deadline {
                if !isSaid { away(address.name) }
                isSaid = true
                usleep(250_000)
            }
        }
    }
}
