// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A directory of its own for one case.
struct Place: Sendable {
    let path: String

    init(directory: String) throws {
        path = "\(directory)/perch-bench-\(getpid())-\(Monotonic.nanoseconds)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    private init(path: String) { self.path = path }

    /// A place within this one, for a case with several engines.
    func inner(_ name: String) throws -> Place {
        let inner = Place(path: path + "/" + name)
        try FileManager.default.createDirectory(atPath: inner.path, withIntermediateDirectories: true)
        return inner
    }

    var home: String { path + "/home" }
    var reportSocket: String { path + "/report.sock" }

    func remove() {
        do {
            try FileManager.default.removeItem(atPath: path)
        } catch {
            FileHandle.standardError.write(Data("cannot remove \(path): \(error)\n".utf8))
        }
    }
}
