// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import Glibc
internal import PerchMetastore
internal import PerchSDK

struct DeferredWatchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "watch", abstract: "A live view of what waits, on the whole screen.",
        discussion: """
            Shows what `deferred list` lists and redraws what has changed. Up and down, j and k move by a line, space and b
            by a page, g goes to the top, q quits.
            """)

    @OptionGroup var choice: WaitChoice
    @OptionGroup var home: HomeOption
    // How a server is asked for pictures for somebody else's screen.
    @Option(help: .hidden) var frames: Screen.Size?
    @Option(help: .hidden) var offset = 0

    func run() async throws {
        let (choice, frames, offset) = (choice, frames, offset)
        try await home.withMetastore { home, metastore in
            try await metastore.read { snapshot in
                var filter = try choice.filter(at: snapshot.now)
                filter.limit = 1
                if try snapshot.waits(filter).isEmpty { try choice.checkNames(snapshot) }
            }
            let changes = try ChangeWatch(paths: [home.paths.database + "-wal"])
            let pictures = WaitPictures(choice: choice, metastore: metastore)
            if let frames { return try await Self.send(pictures, changes, frames, max(0, offset)) }
            let terminal = try Terminal()
            var screen = Screen()
            var place = ScrollPlace()
            while true {
                let size = terminal.size
                let frame = try await pictures.frame(size, at: place.offset)
                place.offset = frame.offset
                try Console.shared.raw(screen.show(frame.lines, size: size))
                try Console.shared.flush()
                changes.wait(orReadable: STDIN_FILENO)
                for key in terminal.keys() where !place.move(key, in: frame, size) { return }
            }
        }
    }

    /// Writes each picture that is another than the one before, for as long as somebody reads.
    private static func send(_ pictures: WaitPictures, _ changes: ChangeWatch, _ size: Screen.Size, _ offset: Int)
        async throws
    {
        var last: WaitFrame?
        while true {
            let frame = try await pictures.frame(size, at: offset)
            if frame != last {
                try Console.shared.line(frame.text)
                try Console.shared.flush()
                last = frame
            }
            // Whoever looks from afar sees enough so.
            ChangeWatch.pause(milliseconds: 300)
            changes.wait()
        }
    }
}

extension Screen.Size: ExpressibleByArgument {
    /// `80x24`.
    init?(argument: String) {
        let parts = argument.split(separator: "x").compactMap { Int($0) }
        guard parts.count == 2, (1...1_000).contains(parts[0]), (1...1_000).contains(parts[1]) else { return nil }
        self.init(columns: parts[0], rows: parts[1])
    }

    /// As it is given.
    var argument: String { "\(columns)x\(rows)" }
}
