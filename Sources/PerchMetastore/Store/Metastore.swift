// SPDX-License-Identifier: Apache-2.0

internal import Glibc
package import PerchOutputs
public import PerchSDK

/// The state of a home: everything that the roles tell one another goes through here.
public final class Metastore: Sendable {
    /// How a process opens the metastore.
    public enum Access: Sendable {
        /// Migrates, and holds the home's engine lock: a second engine is refused with the first one's process id.
        case engine
        /// Works beside the engine for as long as it lives: rings and is rung at as the engine is, never migrates.
        case member
        /// Reads and writes, never migrates; a write waits at most five seconds for its turn.
        case command
    }

    /// The doorbells of this process. Transactions ring them, and so do those of other processes on the home, unless this
    /// one is a command.
    public let doorbells: Doorbells
    /// The clock that decides what is due.
    public let clock: any PerchClock
    /// The directory that holds the metastore, the sockets and the logs.
    public let home: String

    /// Tells what becomes of this process's place at the server, where the metastore is on one.
    package let place: PlaceWatch
    package let driver: any MetastoreDriver
    let catalog: DAGCatalog
    private let writer: GroupCommitWriter
    /// Gives up what is held of the home.
    private let release: @Sendable () -> Void
    private let bell: DoorbellSocket?
    private let runner: any MetastoreRunner

    init(
        home: String, clock: any PerchClock, driver: any MetastoreDriver, runner: any MetastoreRunner,
        doorbells: Doorbells, ring: @escaping @Sendable (DoorbellSet) -> Void, bell: DoorbellSocket? = nil,
        meter: (any MetastoreMeter)? = nil, outputs: (any OutputStore)? = nil,
        release: @escaping @Sendable () -> Void = {}, place: PlaceWatch = PlaceWatch()
    ) {
        self.home = home
        self.clock = clock
        self.driver = driver
        self.runner = runner
        self.doorbells = doorbells
        self.bell = bell
        self.release = release
        self.place = place
        catalog = DAGCatalog(outputs: outputs ?? FileOutputStore(directory: HomePaths(home).outputs))
        writer = GroupCommitWriter(
            driver: driver, catalog: catalog, clock: clock, runner: runner, meter: meter, doorbells: ring)
        writer.start()
    }

    /// A metastore on other ground than a home of this machine; for simulations.
    ///
    /// - Parameters:
    ///   - driver: A database whose schema is current.
    ///   - doorbells: What the roles listen to.
    ///   - outputs: Where outputs lie that are too long for their rows.
    ///   - ring: Called after each COMMIT with what it has to tell; passes it on to `doorbells`, or loses it.
    package convenience init(
        clock: any PerchClock, driver: any MetastoreDriver, runner: any MetastoreRunner, doorbells: Doorbells,
        outputs: (any OutputStore)? = nil, ring: @escaping @Sendable (DoorbellSet) -> Void
    ) {
        self.init(
            home: "a simulation", clock: clock, driver: driver, runner: runner, doorbells: doorbells, ring: ring,
            outputs: outputs)
    }

    /// Opens the metastore of a home.
    ///
    /// `.engine` creates home and file where they are missing, and migrates. `.command` throws `notFound` where there is no
    /// metastore, and `metastore` where its schema is another than this program's.
    /// - Throws: `PerchError` that names the home: `conflict` with the process id of the engine that holds it,
    ///   `metastore` for a file that is garbage or of a newer schema, `unavailable` where the home cannot be written or
    ///   lies on a network file system.
    public static func open(home: String, access: Access, clock: any PerchClock) throws -> Metastore {
        try open(home: home, access: access, clock: clock, meter: nil)
    }

    /// Opens the metastore of a home; `meter` is told what is committed.
    package static func open(
        home: String, access: Access, clock: any PerchClock, meter: (any MetastoreMeter)?
    ) throws -> Metastore {
        let paths = HomePaths(home)
        switch access {
        case .engine:
            try paths.createHome()
            try paths.refuseNetworkFileSystem()
            let lock = try EngineLock(path: paths.lock)
            do {
                let driver = try openDriver(paths, access: .engine)
                return try closing(driver) {
                    try Migrations.migrateAlone(driver, paths)
                    return try resident(home, clock, driver, bell: paths.doorbell, meter) { lock.release() }
                }
            } catch {
                lock.release()
                throw error
            }
        case .member:
            let lock = try paths.databaseExists ? MemberLock(path: paths.members, isAlone: false) : nil
            do {
                let driver = try openExisting(paths, access: .member)
                return try closing(driver) {
                    try resident(home, clock, driver, bell: paths.doorbell(of: getpid()), meter) { lock?.release() }
                }
            } catch {
                lock?.release()
                throw error
            }
        case .command:
            let driver = try openExisting(paths, access: .command)
            // A command's bells go to whoever is at home.
            let ring = { @Sendable (bells: DoorbellSet) in
                guard !bells.isEmpty else { return }
                for path in paths.doorbells() { DoorbellSocket.send(bells, to: path) }
            }
            return Metastore(
                home: home, clock: clock, driver: driver, runner: ThreadedRunner(), doorbells: Doorbells(), ring: ring)
        }
    }

    /// A metastore whose process is rung at, and rings at the others of the home.
    private static func resident(
        _ home: String, _ clock: any PerchClock, _ driver: SQLiteDriver, bell path: String,
        _ meter: (any MetastoreMeter)?,
        release: @escaping @Sendable () -> Void
    ) throws -> Metastore {
        let bell = try DoorbellSocket(path: path)
        let doorbells = Doorbells()
        let neighbours = Neighbours(HomePaths(home), own: path)
        let metastore = Metastore(
            home: home, clock: clock, driver: driver, runner: ThreadedRunner(), doorbells: doorbells,
            ring: { bells in
                doorbells.ring(bells)
                neighbours.ring(bells)
            }, bell: bell, meter: meter, release: release)
        bell.listen { bells in
            if bells.contains(.neighbours) { neighbours.look() }
            doorbells.ring(bells)
        }
        neighbours.announce()
        return metastore
    }

    static func closing<Result>(_ driver: SQLiteDriver, _ body: () throws -> Result) throws -> Result {
        do {
            return try body()
        } catch {
            try driver.close()
            throw error
        }
    }

    /// The metastore of a home that is there, and of this program's schema.
    static func openExisting(_ paths: HomePaths, access: Access) throws -> SQLiteDriver {
        guard paths.databaseExists else {
            throw PerchError(
                .notFound, "there is no metastore in \(paths.home): start 'standalone' there, or run 'db migrate'")
        }
        let driver = try openDriver(paths, access: access)
        return try closing(driver) {
            try Migrations.requireCurrent(driver, path: paths.database)
            return driver
        }
    }

    static func openDriver(_ paths: HomePaths, access: Access) throws -> SQLiteDriver {
        try SQLiteDriver(path: paths.database, gate: WriteGate(path: paths.writeGate), access: access)
    }

    /// Commits what waits and closes the file and the lock. Later calls throw `unavailable`.
    public func close() throws {
        writer.close()
        bell?.close()
        try driver.close()
        release()
    }

    /// One member of a group commit: everything in `body`, or nothing. Returns after the COMMIT has returned.
    ///
    /// `body` runs on the writer's thread; doorbells of its transitions ring after the COMMIT.
    /// - Throws: what `body` throws (then nothing of it has happened), or `PerchError` where the COMMIT failed (then
    ///   nothing of it has happened either).
    public func write<Result: Sendable>(
        _ body: @escaping @Sendable (Transaction) throws -> Result
    ) async throws -> Result {
        let answer: Swift.Result<Result, any Error> = await withCheckedContinuation { continuation in
            let member = Self.member(body) { continuation.resume(returning: $0) }
            if !writer.submit(member) { member.refuse(closedError) }
        }
        // Not a throwing continuation: where one throws, optimized code of Swift 6.3 goes on off the caller's actor.
        return try answer.get()
    }

    /// A write that waits for a doorbell: it is a member of the very group that rings one of `bells` next, sees what that
    /// group has done, and becomes durable with it. What would else be a second COMMIT after a way to another thread and
    /// back costs neither.
    ///
    /// Bells that come from other processes call nobody: who stands listens to those as well.
    /// - Parameter answer: Called once on the writer's thread, unless the write is withdrawn before its group comes.
    public func write<Result: Sendable>(
        onNext bells: DoorbellSet, _ body: @escaping @Sendable (Transaction) throws -> Result,
        answer: @escaping @Sendable (Swift.Result<Result, any Error>) -> Void
    ) -> StandingWrite {
        let member = Self.member(body, answer: answer)
        guard let number = writer.stand(member, for: bells) else {
            member.refuse(closedError)
            return StandingWrite { false }
        }
        return StandingWrite { [writer] in writer.withdraw(number) }
    }

    private var closedError: PerchError { PerchError(.unavailable, "the metastore of \(home) is closed") }

    private static func member<Result: Sendable>(
        _ body: @escaping @Sendable (Transaction) throws -> Result,
        answer: @escaping @Sendable (Swift.Result<Result, any Error>) -> Void
    ) -> GroupCommitWriter.Member {
        GroupCommitWriter.Member(
            run: { transaction in
                do {
                    let result = try body(transaction)
                    try transaction.finishMember()
                    return .init(isDone: true) { error in answer(error.map { .failure($0) } ?? .success(result)) }
                } catch {
                    return .init(isDone: false) { _ in answer(.failure(error)) }
                }
            },
            refuse: { answer(.failure($0)) })
    }

    /// Reads one consistent snapshot, on a thread of its own kind: the caller's is not blocked.
    public func read<Result: Sendable>(
        _ body: @escaping @Sendable (Snapshot) throws -> Result
    ) async throws -> Result {
        let answer: Swift.Result<Result, any Error> = await withCheckedContinuation { continuation in
            runner.read { [self] in
                continuation.resume(
                    returning: Swift.Result {
                        try driver.read { connection in
                            try body(Snapshot(connection: connection, catalog: catalog, now: clock.now))
                        }
                    })
            }
        }
        return try answer.get()
    }
}

/// A write that waits for a doorbell.
public struct StandingWrite: Sendable {
    private let takeBack: @Sendable () -> Bool

    package init(_ takeBack: @escaping @Sendable () -> Bool) { self.takeBack = takeBack }

    /// Takes it back, from any thread. False where its group has it already: its answer comes, or has come.
    public func withdraw() -> Bool { takeBack() }
}
