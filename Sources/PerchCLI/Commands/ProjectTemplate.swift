// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import PerchSDK

/// The files of a new project.
struct ProjectTemplate {
    /// How the project's manifest names Perch.
    struct Dependency {
        /// The line in `dependencies:`.
        var declaration: String
        /// The name by which products are taken from it.
        var package: String

        /// `--perch-path`, else the checkout that this executable was built in, else Perch's address.
        init(perchPath: String?) throws {
            if let perchPath {
                guard let path = Self.absolute(perchPath), Self.isPerch(path) else {
                    throw PerchError(.notFound, "--perch-path: there is no Perch package in \(perchPath)")
                }
                self.init(path: path)
            } else if let path = Self.checkout() {
                self.init(path: path)
            } else {
                self.init(declaration: ".package(url: \"\(Self.address)\", branch: \"main\")", package: "perch")
            }
        }

        private init(path: String) {
            self.init(
                declaration: ".package(path: \(Self.literal(path)))",
                package: path.split(separator: "/").last.map(String.init) ?? "perch")
        }

        private init(declaration: String, package: String) {
            self.declaration = declaration
            self.package = package
        }

        static let address = "https://github.com/perch-run/perch"

        /// The package above this executable: `<package>/.build/…/perch`.
        private static func checkout() -> String? {
            guard var path = absolute("/proc/self/exe") else { return nil }
            while let slash = path.lastIndex(of: "/"), slash > path.startIndex {
                path = String(path[..<slash])
                if isPerch(path) { return path }
            }
            return nil
        }

        private static func isPerch(_ path: String) -> Bool {
            access(path + "/Package.swift", R_OK) == 0 && access(path + "/Sources/PerchSDK", R_OK) == 0
        }

        private static func absolute(_ path: String) -> String? {
            guard let resolved = realpath(path, nil) else { return nil }
            defer { free(resolved) }
            return String(cString: resolved)
        }

        private static func literal(_ text: String) -> String {
            "\"" + text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
        }
    }

    var name: String
    var dependency: Dependency

    /// The type that holds the DAGs: the name with a capital, and never the module's own name.
    private var type: String { name.prefix(1).uppercased() + name.dropFirst() + "Bundle" }

    var files: [(path: String, text: String)] {
        [
            ("Package.swift", manifest), ("Sources/\(name)/\(name).swift", source),
            ("Tests/\(name)Tests/\(name)Tests.swift", test), ("README.md", readme),
            (".gitignore", ".build*\n.perch/\n"),
        ]
    }

    private var manifest: String {
        """
        // swift-tools-version: 6.2
        import PackageDescription

        let package = Package(
            name: "\(name)",
            dependencies: [
                \(dependency.declaration)
            ],
            targets: [
                .executableTarget(
                    name: "\(name)", dependencies: [.product(name: "Perch", package: "\(dependency.package)")]),
                .testTarget(
                    name: "\(name)Tests",
                    dependencies: ["\(name)", .product(name: "PerchTesting", package: "\(dependency.package)")]),
            ]
        )

        """
    }

    private var source: String {
        """
        import Perch

        @main
        struct \(type): DAGBundle {
            let dags: [DAG] = [
                DAG("hello", params: ["name": "world"]) { dag in
                    // Waits for a file, without holding anything while it does.
                    let landed = dag.sensor("landed", .file("/tmp/\(name)/{{ run_id }}.txt"), timeout: .hours(6))

                    let greeting = dag.task("greet", after: landed) { context -> String in
                        // A step is done once, whatever crashes: a resumed task takes its result from the journal.
                        let text = try await context.step("compose") { "Hello, \\(try context.param("name", as: String.self))" }
                        try await context.sleep(for: .seconds(1))
                        return text
                    }

                    dag.task("report", greeting) { context, greeting in
                        context.log.info("\\(greeting)")
                    }
                }
            ]
        }

        """
    }

    private var test: String {
        """
        import Perch
        import PerchTesting
        import Testing

        @testable import \(name)

        @Test("every DAG is declared without a problem")
        func declarations() {
            for dag in \(type)().dags {
                #expect(dag.problems.isEmpty, "\\(dag.definition.dagID)")
                #expect(!dag.definition.tasks.isEmpty)
            }
        }

        @Test("the greeting waits for its file: hours of it, on a virtual clock")
        func greeting() async throws {
            let tester = try DAGTester(\(type)())
            let run = try await tester.trigger("hello", runID: "first")
            try await tester.advance(by: .hours(5))
            #expect(try await tester.state(of: "landed", in: run) == .deferred)
            try await tester.files.write("/tmp/\(name)/first.txt", "")
            try await tester.finish(atMost: .minutes(1))
            #expect(try await tester.output(of: "greet", as: String.self, in: run) == "Hello, world")
        }

        """
    }

    private var readme: String {
        """
        # \(name)

        A project on [Perch](\(Dependency.address)).

        ```
        swift test
        swift run \(name) standalone
        ```

        In another terminal:

        ```
        swift run \(name) dags trigger hello --run-id first
        swift run \(name) deferred list
        mkdir -p /tmp/\(name) && touch /tmp/\(name)/first.txt
        swift run \(name) runs details hello first
        ```

        """
    }
}
