// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import PerchSDK

/// The last good state of each file, kept for when it is broken: its name on the first line, and then its text. Several
/// processes may keep the same at once.
struct KeptFiles: Sendable {
    private let folder: String
    private static let suffix = ".kept"

    init(_ folder: String) { self.folder = folder }

    /// Keeps a text; gives what went wrong, nil where nothing did.
    func keep(_ text: String, of name: String) -> String? {
        let (state, path) = ("\(name)\n\(text)", path(of: name))
        guard whole(path) != state else { return nil }
        do throws(FileFault) {
            if mkdir(folder, 0o700) != 0, errno != EEXIST { throw .refused("kept in \(folder)") }
            try WholeFile.replace(path, with: Array(state.utf8))
            return nil
        } catch {
            return "its good state is not kept: \(error.message)"
        }
    }

    /// The last good state of a file; nil where there is none.
    func text(of name: String) -> String? {
        whole(path(of: name)).flatMap { state in
            state.utf8.starts(with: "\(name)\n".utf8) ? String(state.utf8.dropFirst(name.utf8.count + 1)) : nil
        }
    }

    /// The files whose state is kept.
    var names: [String] {
        files.compactMap { file in
            whole("\(folder)/\(file)").flatMap { state in
                state.utf8.firstIndex(of: UInt8(ascii: "\n")).map { String(state[..<$0]) }
            }
        }
    }

    /// Forgets files that are there no more.
    func forget(allBut names: Set<String>) {
        let wanted = Set(names.map { Self.file(of: $0) })
        for file in files where !wanted.contains(file) { unlink("\(folder)/\(file)") }
    }

    private var files: [String] {
        guard let directory = opendir(folder) else { return [] }
        defer { closedir(directory) }
        var found: [String] = []
        while let entry = readdir(directory) {
            let file = withUnsafePointer(to: entry.pointee.d_name) { name in
                name.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if file.hasSuffix(Self.suffix) { found.append(file) }
        }
        return found.sorted()
    }

    /// A kept file; nil where there is none, or none that can be read: then there is no other state.
    private func whole(_ path: String) -> String? {
        do throws(FileFault) {
            let bytes = try WholeFile.bytes(of: path, longest: 2 * DAGFolder.longestFile)
            return String(validating: bytes, as: UTF8.self)
        } catch {
            return nil
        }
    }

    private func path(of name: String) -> String { "\(folder)/\(Self.file(of: name))" }

    /// Names of any length and with slashes become names of one length without.
    private static func file(of name: String) -> String {
        var hash = StableHash128()
        hash.combine(name)
        return hash.text + suffix
    }
}
