// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A directory of its own for one case and, where metastores lie on a server, a database.
struct Place: Sendable {
    let path: String
    /// The database of the metastore; nil: a file of the home.
    let url: String?
    private let server: DatabaseServer?

    init(directory: String, server: DatabaseServer? = nil) throws {
        try self.init(path: "\(directory)/perch-bench-\(getpid())-\(Monotonic.nanoseconds)", server: server)
    }

    private init(path: String, server: DatabaseServer?) throws {
        self.path = path
        self.server = server
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        url = try server?.makeDatabase()
    }

    /// A place within this one, for a case with several metastores.
    func inner(_ name: String) throws -> Place { try Place(path: path + "/" + name, server: server) }

    var home: String { path + "/home" }
    var reportSocket: String { path + "/report.sock" }
    /// Whether the metastore lies on a server.
    var isOnServer: Bool { url != nil }

    /// Removes it with all within it.
    func remove() {
        server?.dropDatabases()
        do {
            try FileManager.default.removeItem(atPath: path)
        } catch {
            FileHandle.standardError.write(Data("cannot remove \(path): \(error)\n".utf8))
        }
    }
}
