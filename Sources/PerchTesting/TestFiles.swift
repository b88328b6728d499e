// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import PerchSDK
internal import PerchSimulation

/// The files of a tester's world: what file sensors see. Code of tasks that opens files opens real ones.
public struct TestFiles: Sendable {
    let thread: TesterThread
    let world: TesterWorld

    /// Writes a file and closes it; the directories above it are made.
    public func write(_ path: String, _ text: String) async throws {
        try await change("write", path) { files in
            let parent = path.split(separator: "/").dropLast().joined(separator: "/")
            let number = files.makeDirectories("/" + parent)
            return number != 0 ? number : files.write(path, content: Array(text.utf8))
        }
    }

    /// Removes a file.
    public func remove(_ path: String) async throws {
        try await change("remove", path) { $0.remove(path) }
    }

    /// Moves a file or directory; the directories above the new path are made.
    public func rename(_ path: String, to new: String) async throws {
        try await change("rename", path) { files in
            let parent = new.split(separator: "/").dropLast().joined(separator: "/")
            let number = files.makeDirectories("/" + parent)
            return number != 0 ? number : files.move(path, to: new)
        }
    }

    /// Makes a directory and those above it.
    public func makeDirectory(_ path: String) async throws {
        try await change("make", path) { $0.makeDirectories(path) }
    }

    /// What a file holds; nil where there is none.
    public func text(of path: String) async throws -> String? {
        try await thread.perform { [world] in
            world.simulation.files.content(of: path).map { String(decoding: $0, as: UTF8.self) }
        }
    }

    private func change(
        _ verb: String, _ path: String, _ body: @escaping @Sendable (SimulatedFiles) -> Int32
    ) async throws {
        guard path.hasPrefix("/") else {
            throw PerchError(.invalid, "the path '\(path.shown())' is not absolute: it begins with /")
        }
        try await thread.perform { [world] in
            try world.settle()
            let number = body(world.simulation.files)
            guard number == 0 else {
                throw PerchError(.invalid, "cannot \(verb) '\(path.shown())': \(String(cString: strerror(number)))")
            }
            try world.settle()
        }
    }
}
