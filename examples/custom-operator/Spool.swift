// SPDX-License-Identifier: Apache-2.0

import Foundation

/// The folder through which two programs work together.
struct Spool: Sendable {
    let folder: String

    func request(_ name: String) throws {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try write("convert \(name)\n", to: "\(name).request")
    }

    func answer(_ name: String, _ text: String) throws {
        try write(text, to: "\(name).result")
    }

    func withdraw(_ name: String) throws {
        let path = "\(folder)/\(name).request"
        if FileManager.default.fileExists(atPath: path) { try FileManager.default.removeItem(atPath: path) }
    }

    func read(_ path: String) throws -> String {
        try String(contentsOfFile: path, encoding: .utf8)
    }

    /// As a whole or not at all: nobody sees half a file.
    private func write(_ text: String, to name: String) throws {
        try Data(text.utf8).write(to: URL(filePath: "\(folder)/\(name)"), options: .atomic)
    }
}
