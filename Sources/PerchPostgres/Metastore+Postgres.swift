// SPDX-License-Identifier: Apache-2.0

internal import Glibc
package import PerchMetastore
package import PerchSDK

extension Metastore {
    /// Opens a metastore in PostgreSQL. The home still holds logs, outputs and sockets of this machine.
    ///
    /// `.engine` creates the tables where there are none, and migrates; one engine at a time works on a metastore. The others
    /// never migrate, and throw `metastore` where the schema is another than this program's.
    /// - Throws: `PerchError` that names host, port and database, and never a password.
    package static func open(
        postgres settings: PostgresSettings, home: String, access: Access, clock: any PerchClock,
        meter: (any MetastoreMeter)? = nil
    ) throws -> Metastore {
        let opening = try PostgresOpening(settings, access: access)
        do {
            return try open(
                home: home, access: access, clock: clock, meter: meter, ground: try opening.ground(access: access))
        } catch {
            opening.close()
            throw (error as? LostTransaction)?.cause ?? error
        }
    }

    /// Leads a metastore in PostgreSQL to the current schema, or to one before it; creates its tables where there are none.
    /// No engine, and nobody else, may work on it.
    ///
    /// - Parameter target: The schema to stop at; nil: this program's.
    package static func migrate(
        postgres settings: PostgresSettings, to target: Int? = nil
    ) throws -> (from: Int, to: Int) {
        let opening = try PostgresOpening(settings, access: .engine)
        defer { opening.close() }
        do {
            return try opening.migrate(to: target)
        } catch let lost as LostTransaction {
            throw lost.cause
        }
    }
}

/// A driver and the session beside it, while a metastore is opened over them.
private final class PostgresOpening {
    private let settings: PostgresSettings
    private let place: PostgresPlace
    private let driver: PostgresDriver
    /// Nil for a command: it holds nothing.
    private let session: PostgresSession?

    init(_ settings: PostgresSettings, access: Metastore.Access) throws {
        self.settings = settings
        let purpose = Self.purpose(access)
        let first = PostgresConnection(
            link: try PostgresLink(settings.address, purpose: purpose), lock: "0", prepares: false)
        place = try PostgresPlace(first, settings.address)
        session =
            switch access {
            case .engine, .member:
                try PostgresSession(settings, purpose: purpose, place: place, isEngine: access == .engine)
            case .command: nil
            }
        driver = PostgresDriver(
            settings, purpose: purpose, lock: place.key(.writer), patience: access == .command ? 5_000 : nil,
            first: first.link)
    }

    func close() {
        session?.close()
        driver.close()
    }

    func migrate(to target: Int? = nil) throws -> (from: Int, to: Int) {
        let wanted = target ?? Migrations.current
        guard try Migrations.version(driver, path: settings.address.name) != wanted else { return (wanted, wanted) }
        guard try session?.holdAlone() == true else {
            throw PerchError(
                .conflict,
                "the metastore has to be migrated, and a triggerer of an earlier version works on it: stop that first")
        }
        let versions = try Migrations.migrate(driver, path: settings.address.name, to: target)
        try session?.share()
        return versions
    }

    func ground(access: Metastore.Access) throws -> MetastoreGround {
        if access == .engine {
            _ = try migrate()
        } else {
            try Migrations.requireCurrent(driver, path: settings.address.name)
        }
        let driver = driver
        let channel = place.channel
        guard let session else {
            return MetastoreGround(
                driver: driver, ring: { driver.ring($0, channel: channel) }, listen: { _ in }, release: {})
        }
        return MetastoreGround(
            driver: driver, ring: { session.ring($0) },
            listen: { heard in session.start(heard: heard, ousted: { driver.forbidWriting($0) }) },
            release: { session.close() })
    }

    /// What the administrator of the server sees: `perch engine 4711 at host`.
    private static func purpose(_ access: Metastore.Access) -> String {
        let role =
            switch access {
            case .engine: "engine"
            case .member: "member"
            case .command: "command"
            }
        var host = [CChar](repeating: 0, count: 256)
        // A machine without a name has none here.
        _ = gethostname(&host, 255)
        let name = String(decoding: host.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        // The server keeps 63 bytes.
        return String("perch \(role) \(getpid()) at \(name)".filter { $0.isASCII }.prefix(60))
    }
}
