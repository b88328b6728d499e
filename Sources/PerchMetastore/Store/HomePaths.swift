// SPDX-License-Identifier: Apache-2.0

import CLinux
import Foundation
import Glibc
import PerchSDK

/// The files of a home.
public struct HomePaths: Sendable, Hashable {
    /// The home's own path.
    public let home: String

    /// The files of the home at a path.
    public init(_ home: String) {
        self.home = home
    }

    /// The metastore.
    public var database: String { home + "/perch.db" }
    /// Held by the engine; holds its process id.
    public var lock: String { home + "/engine.lock" }
    /// Held by a command while it writes.
    public var writeGate: String { home + "/write.gate" }
    /// Where the engine hears that it should look.
    public var doorbell: String { home + "/doorbell.sock" }
    /// Where another process of the home hears that it should look.
    func doorbell(of pid: Int32) -> String { home + "/doorbell-\(pid).sock" }
    /// The doorbells of the home as they stand there; behind one of a process that was killed nobody listens.
    func doorbells() -> [String] { sockets("doorbell") }
    /// Held by every process that works on the metastore beside the engine: it is not migrated meanwhile.
    var members: String { home + "/members.lock" }
    /// Where any program sends events.
    public var events: String { home + "/events.sock" }
    /// Where the triggerer answers what it knows at this moment.
    public var inspection: String { home + "/inspect.sock" }
    /// Where the triggerer of another process answers.
    public func inspection(of pid: Int32) -> String { home + "/inspect-\(pid).sock" }
    /// Where triggerers answer, as it stands there; behind one of a process that was killed nobody listens.
    public func inspections() -> [String] { sockets("inspect") }
    /// The directory of the attempts' logs.
    public var logs: String { home + "/logs" }
    /// The directory of outputs that are too long for their rows.
    public var outputs: String { home + "/outputs" }
    /// The folder of YAML files with DAGs, where no other is named.
    public var dags: String { home + "/dags" }
    /// Where the last good state of such files is kept.
    public var keptDAGs: String { home + "/dags.kept" }
    /// The versions of the bundle that were deployed.
    public var bundle: String { home + "/bundle" }
    /// The same of other bundles, a directory each.
    public var bundles: String { home + "/bundles" }
    /// The key that seals connections and secret variables, where the settings name no other place.
    public var key: String { home + "/secret.key" }
    /// The configuration file, if there is one.
    public var configuration: String { home + "/config.json" }

    /// `<name>.sock` and `<name>-<pid>.sock`, where there are such.
    private func sockets(_ name: String) -> [String] {
        // A home that cannot be read has nobody in it who could be reached.
        guard let directory = opendir(home) else { return [] }
        defer { closedir(directory) }
        var found: [String] = []
        while let entry = readdir(directory) {
            let file = withUnsafePointer(to: entry.pointee.d_name) { name in
                name.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            let isOwn = file == name + ".sock" || (file.hasPrefix(name + "-") && file.hasSuffix(".sock"))
            if isOwn { found.append(home + "/" + file) }
        }
        return found.sorted()
    }

    var databaseExists: Bool { FileManager.default.fileExists(atPath: database) }

    /// Whether there is a home, and a metastore in it.
    public var state: (hasHome: Bool, hasMetastore: Bool) {
        (FileManager.default.fileExists(atPath: home), databaseExists)
    }

    /// Takes a home back that was made a moment ago and has not been used: the metastore and the locks, and the directory
    /// itself where it was not there before. Only to be called when the metastore is closed.
    public func takeBack(keepingDirectory: Bool) {
        for path in [database, database + "-wal", database + "-shm", lock, members, writeGate] { unlink(path) }
        rmdir(logs)
        if !keepingDirectory { rmdir(home) }
    }

    func createHome() throws {
        do {
            try FileManager.default.createDirectory(
                atPath: home, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        } catch {
            throw PerchError(.unavailable, "cannot create the home \(home): \(error.localizedDescription)")
        }
        guard access(home, W_OK | X_OK) == 0 else {
            throw PerchError(.unavailable, "the home \(home) cannot be written: \(String(cString: strerror(errno)))")
        }
    }

    /// Locks and shared memory do not hold across machines there.
    func refuseNetworkFileSystem() throws {
        var type: UInt64 = 0
        guard clinux_file_system_type(home, &type) == 0 else {
            throw PerchError(.unavailable, "cannot look at the home \(home): \(String(cString: strerror(errno)))")
        }
        let networkFileSystems: [UInt64: String] = [
            0x6969: "NFS", 0x517B: "SMB", 0xFF53_4D42: "CIFS", 0xFE53_4D42: "SMB2", 0x0102_1997: "9P",
            0x00C3_6400: "Ceph", 0x6573_5546: "FUSE",
        ]
        if let name = networkFileSystems[type] {
            throw PerchError(
                .unavailable,
                "the home \(home) lies on a network file system (\(name)), where SQLite's locks do not hold: use a local disk"
            )
        }
    }
}
