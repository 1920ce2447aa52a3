import java.security.cert.X509Certificate;
import java.util.List;
import javax.net.ssl.SNIHostName;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManager;
import javax.net.ssl.X509TrustManager;

/** Prints what the site at 198.51.100.1 answers that is asked for by name, with the hello of Java's own library. */
class Client {
  public static void main(String[] names) throws Exception {
    var context = SSLContext.getInstance("TLS");
    context.init(null, new TrustManager[] {new X509TrustManager() {
      public void checkClientTrusted(X509Certificate[] chain, String type) {}
      public void checkServerTrusted(X509Certificate[] chain, String type) {}
      public X509Certificate[] getAcceptedIssuers() { return new X509Certificate[0]; }
    }}, null);
    try (var socket = (SSLSocket) context.getSocketFactory().createSocket("198.51.100.1", 443)) {
      socket.setSoTimeout(8000);
      var parameters = socket.getSSLParameters();
      parameters.setServerNames(List.of(new SNIHostName(names[0])));
      socket.setSSLParameters(parameters);
      socket.getOutputStream().write(
          ("GET / HTTP/1.1\r\nHost: " + names[0] + "\r\nConnection: close\r\n\r\n").getBytes());
      System.out.write(socket.getInputStream().readAllBytes());
      System.out.flush();
    }
  }
}
