from artcore.studio import server

server.run()
