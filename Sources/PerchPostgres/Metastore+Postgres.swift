// SPDX-License-Identifier: Apache-2.0

internal import Glibc
package import PerchMetastore
package import PerchSDK

extension Metastore {
    /// Opens a metastore in PostgreSQL. The home still holds logs, outputs and sockets of this machine.
    ///
    /// `.engine` creates the tables where there are none, and migrates, which nobody else may work on it for. Any number of
    /// engines work on a metastore, each with a home of its own. The others never migrate, and throw `metastore` where the
    /// schema is another than this program's.
    ///
    /// - Parameters:
    ///   - isAlone: Whether an engine has the metastore to itself: nobody else may work on it until it is closed.
    ///   - clock: What decides what is due; nil: the server's clock.
    /// - Throws: `PerchError` that names host, port and database, and never a password.
    package static func open(
        postgres settings: PostgresSettings, home: String, access: Access, isAlone: Bool = false,
        clock: (any PerchClock)? = nil, meter: (any MetastoreMeter)? = nil
    ) throws -> Metastore {
        let opening = try PostgresOpening(settings, access: access, clock: clock)
        do {
            return try open(
                home: home, access: access, clock: opening.clock, meter: meter,
                ground: try opening.ground(access: access, isAlone: isAlone))
        } catch {
            opening.close()
            throw (error as? LostTransaction)?.cause ?? error
        }
    }

    /// Leads a metastore in PostgreSQL to the current schema, or to one before it; creates its tables where there are none.
    /// Where there is anything to do, nobody else may work on it.
    ///
    /// - Parameter target: The schema to stop at; nil: this program's.
    package static func migrate(
        postgres settings: PostgresSettings, to target: Int? = nil
    ) throws -> (from: Int, to: Int) {
        let opening = try PostgresOpening(settings, access: .engine, clock: nil)
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
    let clock: any PerchClock

    init(_ settings: PostgresSettings, access: Metastore.Access, clock: (any PerchClock)?) throws {
        self.settings = settings
        let purpose = Self.purpose(access)
        let patience = access == .command ? PostgresDriver.commandPatience : nil
        let first = PostgresConnection(
            link: try PostgresDriver.link(settings, purpose: purpose, patience: patience), lock: "0", prepares: false)
        place = try PostgresPlace(first, settings.address)
        let server: ServerClock?
        if let clock {
            (self.clock, server) = (clock, nil)
        } else {
            let measured = try ServerClock(first)
            (self.clock, server) = (measured, measured)
        }
        session =
            switch access {
            case .engine, .member: try PostgresSession(settings, purpose: purpose, place: place, clock: server)
            case .command: nil
            }
        driver = PostgresDriver(
            settings, purpose: purpose, lock: place.key(.writer), patience: patience, first: first.link)
    }

    func close() {
        session?.close()
        driver.close()
    }

    /// So often it is looked, a tenth of a second apart, whether somebody else who migrates is done.
    private static let looks = 30

    /// Leads the schema forward where that is needed. The session works on the metastore afterwards, as others may.
    func migrate(to target: Int? = nil) throws -> (from: Int, to: Int) {
        guard let session else { throw PerchError(.metastore, "a command does not migrate") }
        let wanted = try Migrations.checked(target)
        for look in 0..<Self.looks {
            if look > 0 { usleep(100_000) }
            guard try session.share() else { continue }
            let found = try Migrations.version(driver, path: settings.address.name)
            if found == wanted { return (wanted, wanted) }
            // One that is newer is refused there, and stays as it is.
            guard try found > wanted || session.holdAlone() else { continue }
            let versions = try Migrations.migrate(driver, path: settings.address.name, to: target)
            _ = try session.share()
            return versions
        }
        throw try inUse(by: session, "has to be migrated to schema \(wanted)")
    }

    func ground(access: Metastore.Access, isAlone: Bool) throws -> MetastoreGround {
        let (driver, channel) = (driver, place.channel)
        guard let session else {
            try Migrations.requireCurrent(driver, path: settings.address.name)
            return MetastoreGround(
                driver: driver, ring: { driver.ring($0, channel: channel) }, listen: { _ in }, release: {})
        }
        if access == .engine {
            _ = try migrate()
            if isAlone {
                guard try session.holdAlone() else { throw try inUse(by: session, "is to be had alone") }
                driver.takeTime()
            }
        } else {
            guard try session.share() else {
                throw PerchError(
                    .conflict, "the metastore in \(settings.direct.name) is being migrated: try again in a moment")
            }
            try Migrations.requireCurrent(driver, path: settings.address.name)
        }
        let watch = PlaceWatch()
        // Who has it alone needs no fence, and would meet itself at it.
        if !isAlone {
            driver.fence(PostgresFence(place, name: settings.address.name)) { watch.tell(.fenced($0)) }
        }
        return MetastoreGround(
            driver: driver, ring: { session.ring($0) },
            listen: { heard in
                session.start(heard: heard) { news in
                    if case .fenced(let reason) = news { driver.forbidWriting(reason) }
                    watch.tell(news)
                }
            }, release: { session.close() }, place: watch)
    }

    private func inUse(by session: PostgresSession, _ what: String) throws -> PerchError {
        let names = try session.others().map { "'\($0)'" }.joined(separator: ", ")
        return PerchError(
            .conflict,
            "the metastore in \(settings.direct.name) \(what), and others work on it"
                + (names.isEmpty ? "" : ": \(names)") + "; stop them first")
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
