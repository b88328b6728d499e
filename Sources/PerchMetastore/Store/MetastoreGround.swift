// SPDX-License-Identifier: Apache-2.0

internal import Glibc
package import PerchSDK

/// Where a metastore lies that is no file of its home, opened by a room that knows its database: the schema is current.
package struct MetastoreGround: Sendable {
    let driver: any MetastoreDriver
    /// Rings at the other processes that work on the metastore, on whatever machine, after a COMMIT.
    let ring: @Sendable (DoorbellSet) -> Void
    /// Has what others ring passed on, from now on.
    let listen: @Sendable (@escaping @Sendable (DoorbellSet) -> Void) -> Void
    /// Gives up what is held, once the driver is closed.
    let release: @Sendable () -> Void
    /// Is told what becomes of this process's place there.
    let place: PlaceWatch

    package init(
        driver: any MetastoreDriver, ring: @escaping @Sendable (DoorbellSet) -> Void,
        listen: @escaping @Sendable (@escaping @Sendable (DoorbellSet) -> Void) -> Void,
        release: @escaping @Sendable () -> Void, place: PlaceWatch = PlaceWatch()
    ) {
        self.driver = driver
        self.ring = ring
        self.listen = listen
        self.release = release
        self.place = place
    }
}

extension Metastore {
    /// Opens a metastore on other ground than the home's own file. What else the home holds stays there.
    ///
    /// - Throws: `conflict` where another engine has the home, `unavailable` where the home cannot be written.
    package static func open(
        home: String, access: Access, clock: any PerchClock, meter: (any MetastoreMeter)?, ground: MetastoreGround
    ) throws -> Metastore {
        let paths = HomePaths(home)
        switch access {
        case .engine:
            try paths.createHome()
            let lock = try EngineLock(path: paths.lock)
            do {
                return try resident(home, clock, meter, ground, bell: paths.doorbell) { lock.release() }
            } catch {
                lock.release()
                throw error
            }
        case .member:
            try paths.createHome()
            return try resident(home, clock, meter, ground, bell: paths.doorbell(of: getpid())) {}
        case .command:
            return Metastore(
                home: home, clock: clock, driver: ground.driver, runner: ThreadedRunner(), doorbells: Doorbells(),
                ring: ground.ring, release: ground.release)
        }
    }

    /// A metastore whose process is rung at through its ground. The home's doorbell tells that the process is alive.
    private static func resident(
        _ home: String, _ clock: any PerchClock, _ meter: (any MetastoreMeter)?, _ ground: MetastoreGround,
        bell path: String, release: @escaping @Sendable () -> Void
    ) throws -> Metastore {
        let bell = try DoorbellSocket(path: path)
        let doorbells = Doorbells()
        let metastore = Metastore(
            home: home, clock: clock, driver: ground.driver, runner: ThreadedRunner(), doorbells: doorbells,
            ring: { bells in
                doorbells.ring(bells)
                ground.ring(bells)
            }, bell: bell, meter: meter,
            release: {
                ground.release()
                release()
            }, place: ground.place)
        bell.listen { doorbells.ring($0) }
        ground.listen { doorbells.ring($0) }
        return metastore
    }
}
